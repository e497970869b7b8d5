# Run by nbdsh, with libnbd as `nbd`. NBD_URI is a writable disk, NBD_FILE the file behind it.
import errno
import os

URI = os.environ["NBD_URI"]
FILE = os.environ["NBD_FILE"]
SECTOR = 512


def connect(*, structured=True):
    handle = nbd.NBD()
    # libnbd itself would refuse what the server shall refuse.
    handle.set_strict_mode(0)
    handle.set_uri_allow_local_file(True)
    handle.set_request_structured_replies(structured)
    handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    handle.connect_uri(URI)
    return handle


def on_disk(offset, length):
    with open(FILE, "rb") as file:
        file.seek(offset)
        return file.read(length)


def refused(handle, number, action):
    """The error is that one, and the connection lives."""
    try:
        action()
    except nbd.Error as error:
        assert error.errnum == number, f"{errno.errorcode.get(error.errnum)} instead of {errno.errorcode[number]}"
    else:
        raise AssertionError(f"was not refused with {errno.errorcode[number]}")
    assert handle.pread(SECTOR, 0) == on_disk(0, SECTOR)


for structured in (True, False):
    h = connect(structured=structured)
    size = h.get_size()
    assert size == os.path.getsize(FILE)
    assert h.get_structured_replies_negotiated() == structured

    # Read
    assert h.pread(3 * SECTOR, 5 * SECTOR) == on_disk(5 * SECTOR, 3 * SECTOR)
    assert h.pread(SECTOR, size - SECTOR) == on_disk(size - SECTOR, SECTOR)
    assert h.pread(8 * 1024 * 1024, 1024 * 1024) == on_disk(1024 * 1024, 8 * 1024 * 1024)
    if structured:
        assert h.pread(SECTOR * 4, 0, nbd.CMD_FLAG_DF) == on_disk(0, SECTOR * 4)
        chunks = []
        h.pread_structured(4096, 8192, lambda data, offset, status, error: chunks.append((offset, bytes(data))))
        assert sorted(chunks)[0][0] == 8192
        assert b"".join(data for _, data in sorted(chunks)) == on_disk(8192, 4096)

    # Write
    h.pwrite(b"\x11" * 4096, 64 * 1024)
    assert on_disk(64 * 1024, 4096) == b"\x11" * 4096
    h.pwrite(b"\x22" * SECTOR, 64 * 1024 + SECTOR, nbd.CMD_FLAG_FUA)
    assert on_disk(64 * 1024, 1536) == b"\x11" * SECTOR + b"\x22" * SECTOR + b"\x11" * SECTOR
    big = os.urandom(4 * 1024 * 1024)
    h.pwrite(big, 2 * 1024 * 1024)
    assert h.pread(len(big), 2 * 1024 * 1024) == big

    # Zeroes, with holes and without
    for flags in (0, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FUA):
        h.pwrite(b"\x33" * 8192, 128 * 1024)
        h.zero(4096, 128 * 1024, flags)
        assert on_disk(128 * 1024, 8192) == b"\0" * 4096 + b"\x33" * 4096
    if h.can_fast_zero():
        try:
            h.zero(4096, 256 * 1024, nbd.CMD_FLAG_FAST_ZERO)
            assert on_disk(256 * 1024, 4096) == b"\0" * 4096
        except nbd.Error as error:
            assert error.errnum in (errno.ENOTSUP, errno.EOPNOTSUPP)

    # Trim: what the range holds is not said, but it can be read, and its neighbours keep their bytes
    h.pwrite(b"\x44" * (3 * 65536), 512 * 1024)
    h.trim(65536, 512 * 1024 + 65536)
    assert len(h.pread(65536, 512 * 1024 + 65536)) == 65536
    assert h.pread(65536, 512 * 1024) == b"\x44" * 65536
    assert h.pread(65536, 512 * 1024 + 2 * 65536) == b"\x44" * 65536
    h.trim(65536, 512 * 1024, nbd.CMD_FLAG_FUA)

    h.flush()
    h.cache(1024 * 1024, 0)

    # Block status
    if structured:
        entries = []

        def note(context, offset, words, error):
            assert context == "base:allocation"
            entries.append((offset, list(words)))

        h.zero(1024 * 1024, 4 * 1024 * 1024)
        h.block_status(size, 0, note)
        [(offset, words)] = entries
        assert offset == 0 and sum(words[0::2]) <= size and len(words) >= 2, words
        entries.clear()
        h.block_status(4 * 1024 * 1024, 0, note, nbd.CMD_FLAG_REQ_ONE)
        [(offset, words)] = entries
        assert len(words) == 2 and 0 < words[0] <= 4 * 1024 * 1024, words
        # No range that is said to be zeros holds anything else.
        entries.clear()
        h.block_status(size, 0, note)
        place = 0
        for length, state in zip(entries[0][1][0::2], entries[0][1][1::2]):
            if state & nbd.STATE_ZERO:
                assert on_disk(place, length).count(0) == length
            place += length

    # Refusals
    refused(h, errno.EINVAL, lambda: h.pread(SECTOR, size))
    refused(h, errno.EINVAL, lambda: h.pread(2 * SECTOR, size - SECTOR))
    refused(h, errno.EINVAL, lambda: h.pread(100, 0))
    refused(h, errno.EINVAL, lambda: h.pread(SECTOR, 1))
    refused(h, errno.ENOSPC, lambda: h.pwrite(b"x" * SECTOR, size))
    refused(h, errno.ENOSPC, lambda: h.zero(2 * SECTOR, size - SECTOR))
    refused(h, errno.EINVAL, lambda: h.pwrite(b"x" * 100, 0))
    refused(h, errno.EINVAL, lambda: h.zero(SECTOR, 7))
    refused(h, errno.EINVAL, lambda: h.pwrite(b"x" * SECTOR, 0, nbd.CMD_FLAG_DF))
    refused(h, errno.EINVAL, lambda: h.pread(SECTOR, 0, 1 << 9))
    h.shutdown()

# Several connections see what one wrote and flushed
one, two = connect(), connect()
assert one.can_multi_conn()
one.pwrite(b"\x77" * 4096, 0)
one.flush()
assert two.pread(4096, 0) == b"\x77" * 4096
one.shutdown()
two.shutdown()

# Many requests at once on one connection
h = connect()
buffers = [(nbd.Buffer(65536), index * 65536) for index in range(200)]
cookies = [h.aio_pread(buffer, offset) for buffer, offset in buffers]
while cookies:
    h.poll(-1)
    cookies = [cookie for cookie in cookies if not h.aio_command_completed(cookie)]
for buffer, offset in buffers:
    assert bytes(buffer.to_bytearray()) == on_disk(offset, 65536), offset
h.shutdown()
print("all commands behave")

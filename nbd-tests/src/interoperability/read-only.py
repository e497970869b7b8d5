# Run by nbdsh, with libnbd as `nbd`. NBD_URI is a read-only disk.
import errno
import os

h = nbd.NBD()
h.set_strict_mode(0)
h.set_uri_allow_local_file(True)
h.connect_uri(os.environ["NBD_URI"])
assert h.is_read_only()
before = h.pread(8192, 0)
for action in (
    lambda: h.pwrite(b"x" * 512, 0),
    lambda: h.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA),
    lambda: h.zero(4096, 0),
    lambda: h.trim(4096, 0),
):
    try:
        action()
    except nbd.Error as error:
        assert error.errnum == errno.EPERM, error
    else:
        raise AssertionError("a change was not refused")
    assert h.pread(8192, 0) == before
h.shutdown()
print("nothing was changed")

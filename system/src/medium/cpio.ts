/** One entry of an archive. Owner is root and all times are equal, so that equal contents give equal bytes. */
export interface CpioEntry {
  /** Without a leading slash. A folder stands before what is in it. */
  readonly path: string;
  /** File type and permissions as in stat(2), such as 0o100755. */
  readonly mode: number;
  /** Content of a file, target of a symbolic link. */
  readonly data?: Uint8Array;
  /** Major and minor number of a device node. */
  readonly device?: readonly [major: number, minor: number];
}

const MAGIC = '070701';
const ALIGNMENT = 4;
const TRAILER = 'TRAILER!!!';
/** File sizes are eight hexadecimal digits. */
const MAX_FILE_BYTES = 0xffff_ffff;

/**
 * Writes an archive in the "newc" format, which the kernel unpacks as its first root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
 *
 * @param epoch the time of all entries, in seconds since 1970
 * @throws {RangeError} for a file of 4 GiB or more
 */
export function makeCpio(entries: readonly CpioEntry[], epoch: number): Buffer {
  const chunks = entries.flatMap((entry, index) => encode(entry, index + 1, epoch));
  chunks.push(...encode({ path: TRAILER, mode: 0 }, 0, 0));
  return Buffer.concat(chunks);
}

/**
 * Header, each field eight hexadecimal digits after the magic:
 *   ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
 * then the name with a zero byte, padding to 4 bytes, the data, padding to 4 bytes.
 */
function encode(entry: CpioEntry, inode: number, epoch: number): Buffer[] {
  const data = entry.data ?? new Uint8Array();
  if (data.length > MAX_FILE_BYTES) {
    throw new RangeError(`${entry.path} has ${data.length} bytes; a cpio archive holds files below 4 GiB`);
  }
  const name = Buffer.from(`${entry.path}\0`);
  const [major, minor] = entry.device ?? [0, 0];
  const fields = [inode, entry.mode, 0, 0, 1, epoch, data.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join(''));
  return [
    header,
    name,
    padding(header.length + name.length),
    Buffer.from(data.buffer, data.byteOffset, data.length),
    padding(data.length),
  ];
}

function padding(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}

import { checkSize, linux } from './linux.ts';

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h. */
const LIST_BYTES = 64 * 1024;
const VALUE_BYTES = 64 * 1024;

const list = Buffer.alloc(LIST_BYTES);
const value = Buffer.alloc(VALUE_BYTES);

/** An attribute could not be given to the copy. */
export class AttributeError extends Error {}

/**
 * Gives a copy all extended attributes of a file, of every name space. Access control lists and capabilities are some:
 * the kernel stores what is copied here byte for byte.
 *
 * @throws {SystemCallError} when the source cannot be read
 * @throws {AttributeError} naming the attribute
 */
export function copyAttributes(source: number, destination: number): void {
  const listed = linux.flistxattr(source, list, BigInt(LIST_BYTES));
  if (listed === 0n) return;
  copyListed(sizeOfList(listed), {
    get: (name) => linux.fgetxattr(source, name, value, BigInt(VALUE_BYTES)),
    set: (name, length) => linux.fsetxattr(destination, name, value, BigInt(length), 0),
  });
}

/**
 * The same for files that are opened with O_PATH: symbolic links, device nodes, fifos, sockets.
 *
 * @param openDestination opens the copy with O_PATH; it is only called if there are attributes
 */
export function copyAttributesByName(source: number, openDestination: () => number): void {
  const from = nameOfOpenFile(source);
  const listed = linux.listxattr(from, list, BigInt(LIST_BYTES));
  if (listed === 0n) return;
  const length = sizeOfList(listed);
  if (length === 0) return;
  const destination = openDestination();
  const to = nameOfOpenFile(destination);
  try {
    copyListed(length, {
      get: (name) => linux.getxattr(from, name, value, BigInt(VALUE_BYTES)),
      set: (name, size) => linux.setxattr(to, name, value, BigInt(size), 0),
    });
  } finally {
    linux.close(destination);
  }
}

/** Leads to the open file itself, even if that is a symbolic link (proc(5)). */
function nameOfOpenFile(file: number): Buffer {
  return Buffer.from(`/proc/self/fd/${file}\0`);
}

function sizeOfList(listed: bigint): number {
  if (listed >= 0n) return Number(listed);
  const error = linux.lastError();
  if (error.code === 'ENOTSUP' || error.code === 'EOPNOTSUPP') return 0;
  throw error;
}

interface AttributeCalls {
  readonly get: (name: Buffer) => bigint;
  readonly set: (name: Buffer, length: number) => number;
}

function copyListed(length: number, { get, set }: AttributeCalls): void {
  for (let start = 0; start < length; ) {
    const end = list.indexOf(0, start) + 1;
    const name = list.subarray(start, end);
    start = end;
    const size = checkSize(get(name));
    if (set(name, size) < 0) {
      const text = name.subarray(0, -1).toString();
      throw new AttributeError(`cannot give it the attribute ${text}: ${linux.lastError().message}`);
    }
  }
}

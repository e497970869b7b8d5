import { getSystemErrorName } from 'node:util';

/** C's types on 64-bit Linux: int and mode_t are i32 and u32; off_t, ssize_t i64; size_t, dev_t u64. */
const DEFINITIONS = {
  __errno_location: { arguments: [], return: 'pointer' },
  close: { arguments: ['i32'], return: 'i32' },
  fchmod: { arguments: ['i32', 'u32'], return: 'i32' },
  fchmodat: { arguments: ['i32', 'pointer', 'u32', 'i32'], return: 'i32' },
  fchownat: { arguments: ['i32', 'pointer', 'u32', 'u32', 'i32'], return: 'i32' },
  fgetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
  flistxattr: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  fsetxattr: { arguments: ['i32', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
  ftruncate: { arguments: ['i32', 'i64'], return: 'i32' },
  futimens: { arguments: ['i32', 'pointer'], return: 'i32' },
  getdents64: { arguments: ['i32', 'pointer', 'u64'], return: 'i64' },
  getxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64'], return: 'i64' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  linkat: { arguments: ['i32', 'pointer', 'i32', 'pointer', 'i32'], return: 'i32' },
  listxattr: { arguments: ['pointer', 'pointer', 'u64'], return: 'i64' },
  lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
  mkdirat: { arguments: ['i32', 'pointer', 'u32'], return: 'i32' },
  mknodat: { arguments: ['i32', 'pointer', 'u32', 'u64'], return: 'i32' },
  openat: { arguments: ['i32', 'pointer', 'i32', 'u32'], return: 'i32' },
  posix_fadvise: { arguments: ['i32', 'i64', 'i64', 'i32'], return: 'i32' },
  pread: { arguments: ['i32', 'pointer', 'u64', 'i64'], return: 'i64' },
  pwrite: { arguments: ['i32', 'pointer', 'u64', 'i64'], return: 'i64' },
  readahead: { arguments: ['i32', 'i64', 'u64'], return: 'i64' },
  readlinkat: { arguments: ['i32', 'pointer', 'pointer', 'u64'], return: 'i64' },
  setxattr: { arguments: ['pointer', 'pointer', 'pointer', 'u64', 'i32'], return: 'i32' },
  statx: { arguments: ['i32', 'pointer', 'i32', 'u32', 'pointer'], return: 'i32' },
  strerror: { arguments: ['i32'], return: 'pointer' },
  symlinkat: { arguments: ['pointer', 'i32', 'pointer'], return: 'i32' },
  syncfs: { arguments: ['i32'], return: 'i32' },
  utimensat: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
} as const;

/** Flags of open(2) and of the calls with a folder, as x86-64 and arm64 have them; the two differ in some. */
const IS_ARM = process.arch === 'arm64';
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_EMPTY_PATH = 0x1000;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_DIRECTORY = IS_ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = IS_ARM ? 0o100000 : 0o400000;
export const O_CLOEXEC = 0o2000000;
/** Only names the file: neither reads it nor acts on the device behind it. */
export const O_PATH = 0o10000000;
export const POSIX_FADV_RANDOM = 1;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** The empty path, which stands for the descriptor itself where AT_EMPTY_PATH is given. */
export const EMPTY_PATH = Buffer.from('\0');

/**
 * System calls that Node does not offer, or only with promises and whole paths. They return what they return in C, and
 * wait for the disk: only for a process that does nothing else.
 */
export const linux = load();

function load() {
  const { dlopen, getInt32, toString } = withoutWarning(() => process.getBuiltinModule('node:ffi'));
  // Null is the program itself, which is linked with the C library, whatever its file is called.
  const { functions } = dlopen(null, DEFINITIONS);
  // Each thread has its own, at a place that does not change.
  const { __errno_location: errnoLocation } = functions;
  const errno = errnoLocation();
  return {
    ...functions,
    /** Why the call before failed. */
    lastError: (): SystemCallError => {
      const number = getInt32(errno);
      return new SystemCallError(getSystemErrorName(-number), `${toString(functions.strerror(number))}`);
    },
  };
}

/** A system call failed. */
export class SystemCallError extends Error {
  /** Such as "ENOSPC". */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws {SystemCallError} when a call returned -1 */
export function check(result: number): number {
  if (result < 0) throw linux.lastError();
  return result;
}

/** The same for calls that return a size. */
export function checkSize(result: bigint): number {
  if (result < 0n) throw linux.lastError();
  return Number(result);
}

/** Otherwise the first use of the module prints that it is experimental. */
function withoutWarning<T>(load: () => T): T {
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning') as PropertyDescriptor;
  process.emitWarning = () => {};
  try {
    return load();
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning);
  }
}

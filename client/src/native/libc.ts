import { getSystemErrorName } from 'node:util';

type Ffi = typeof import('node:ffi');

/** C's types on 64-bit Linux: int is i32; long, off_t and ssize_t are i64; size_t is u64. */
const DEFINITIONS = {
  __errno_location: { arguments: [], return: 'pointer' },
  fallocate: { arguments: ['i32', 'i32', 'i64', 'i64'], return: 'i32' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  lseek: { arguments: ['i32', 'i64', 'i32'], return: 'i64' },
  mincore: { arguments: ['u64', 'u64', 'pointer'], return: 'i32' },
  mmap: { arguments: ['u64', 'u64', 'i32', 'i32', 'i32', 'i64'], return: 'i64' },
  munmap: { arguments: ['u64', 'u64'], return: 'i32' },
  preadv2: { arguments: ['i32', 'pointer', 'i32', 'i64', 'i32'], return: 'i64' },
  reboot: { arguments: ['i32'], return: 'i32' },
  sendmsg: { arguments: ['i32', 'pointer', 'i32'], return: 'i64' },
  // As kexec_file_load wants it.
  syscall: { arguments: ['i64', 'i64', 'i64', 'u64', 'pointer', 'u64'], return: 'i64' },
} as const;

/**
 * Functions of the C library that Node offers no call for. They run on the thread that calls them: only what does
 * not wait may be called on the main thread.
 */
export type Libc = ReturnType<typeof loadFunctions>;

/**
 * Undefined where native calls are not to be had: `node:ffi` is experimental, and absent from some builds and
 * platforms. Whoever uses it has another way then.
 */
export const libc: Libc | undefined = loadLibc();

function loadLibc(): Libc | undefined {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined;
  try {
    return loadFunctions(withoutWarning(() => process.getBuiltinModule('node:ffi')));
  } catch {
    return undefined;
  }
}

function loadFunctions({ dlopen, getInt32, getRawPointer }: Ffi) {
  // Null is the program itself, which is linked with the C library, whatever its file is called.
  const { functions } = dlopen(null, DEFINITIONS);
  const { __errno_location: errnoLocation } = functions;
  // Each thread has its own, at a place that does not change.
  const errno = errnoLocation();
  return {
    ...functions,
    addressOf: (bytes: Uint8Array): bigint => getRawPointer(bytes),
    /** Why the call before failed, such as "EAGAIN". */
    errorName: (): string => getSystemErrorName(-getInt32(errno)),
  };
}

/** The first use of the module prints that it is experimental, in the middle of the screen. */
function withoutWarning<T>(load: () => T): T {
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning') as PropertyDescriptor;
  process.emitWarning = () => {};
  try {
    return load();
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning);
  }
}

/** What the call before failed with, in the shape of errors of `node:fs`. */
export function systemError({ errorName }: Libc, call: string): NodeJS.ErrnoException {
  const code = errorName();
  return Object.assign(new Error(`${code}: ${call}`), { code, syscall: call });
}

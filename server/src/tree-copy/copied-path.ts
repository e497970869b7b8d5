import { check, linux, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH } from './linux.ts';

/** PATH_MAX of linux/limits.h: the kernel takes no longer path in one call, zero included. */
const LONGEST_PATH_BYTES = 4096;
const SLASH = 0x2f;

/**
 * Opens a file by its path, which may be longer than the kernel takes in one call.
 *
 * @param path inside the folder, with a zero at its end
 * @throws {SystemCallError}
 */
export function openInside(folder: number, path: Buffer, how: number): number {
  if (path.length <= LONGEST_PATH_BYTES) {
    return check(linux.openat(folder, path, how | O_NOFOLLOW | O_CLOEXEC, 0));
  }
  const cut = path.lastIndexOf(SLASH, LONGEST_PATH_BYTES - 1);
  const first = Buffer.concat([path.subarray(0, cut), Buffer.alloc(1)]);
  const next = check(linux.openat(folder, first, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0));
  try {
    return openInside(next, path.subarray(cut + 1), how);
  } finally {
    linux.close(next);
  }
}

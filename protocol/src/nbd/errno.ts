import { DiskError } from '../disk.ts';
import { ERROR, errorName } from './constants.ts';

/** Linux errors that have no number of their own in NBD, and what comes nearest. */
const NEAREST: Readonly<Record<string, number>> = {
  EACCES: ERROR.EPERM,
  EROFS: ERROR.EPERM,
  EDQUOT: ERROR.ENOSPC,
  EFBIG: ERROR.ENOSPC,
  EOPNOTSUPP: ERROR.ENOTSUP,
};

/** The NBD error of anything that a Disk throws; EIO where nothing better is known. */
export function errorNumberOf(error: unknown): number {
  const name = error instanceof DiskError ? error.errno : (error as NodeJS.ErrnoException | undefined)?.code;
  if (name === undefined) return ERROR.EIO;
  if (Object.hasOwn(ERROR, name)) return ERROR[name as keyof typeof ERROR];
  return Object.hasOwn(NEAREST, name) ? (NEAREST[name] ?? ERROR.EIO) : ERROR.EIO;
}

/** The Linux name of an NBD error. The specification says to treat numbers that are not known as EINVAL. */
export function errnoOf(error: number): string {
  return Object.values<number>(ERROR).includes(error) ? errorName(error) : 'EINVAL';
}

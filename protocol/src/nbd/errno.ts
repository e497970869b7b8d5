import { DiskError } from '../disk.ts';
import { ERROR, errorName } from './constants.ts';
import type { ReplyError } from './replies.ts';

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

/**
 * What a client is told of anything that a Disk throws.
 *
 * @param options.fast the request demanded to be refused if it would be slow: only such ones may fail with ENOTSUP
 */
export function describeError(error: unknown, { fast = false } = {}): ReplyError {
  const number = errorNumberOf(error);
  return {
    error: number === ERROR.ENOTSUP && !fast ? ERROR.EIO : number,
    message: error instanceof Error ? error.message : String(error),
  };
}

/** The Linux name of an NBD error. The specification says to treat numbers that are not known as EINVAL. */
export function errnoOf(error: number): string {
  return Object.values<number>(ERROR).includes(error) ? errorName(error) : 'EINVAL';
}

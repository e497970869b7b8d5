import { type Disk, DiskError } from '@diskferry/protocol/disk';
import type { ByteRange } from '../partitions/readable-disk.ts';

/** How much a disk is asked to zero at first, in bytes: soon done also where it writes zeros. */
const FIRST_STEP_BYTES = 16 * 1024 * 1024;
const MAX_STEP_BYTES = 1024 * 1024 * 1024;
/** Linux has one number for these two names. */
const NO_FAST_WAY: readonly string[] = ['ENOTSUP', 'EOPNOTSUPP'];
/** A disk that needs less than this for a step, in ms, is asked for twice as much. */
const QUICK_MS = 200;

export interface ZeroRangeOptions {
  /** Changes nothing where the disk has no way that is faster than writing zeros. */
  readonly onlyFast?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a range read as zeros in whatever way the disk likes best, in steps that are short enough to be interrupted.
 *
 * @returns whether it does: false only if `onlyFast` and there is no fast way
 * @throws what the disk throws; the reason of the signal
 */
export async function zeroRange(
  disk: Pick<Disk, 'writeZeroes'>,
  { start, size }: ByteRange,
  { onlyFast = false, signal }: ZeroRangeOptions = {},
): Promise<boolean> {
  let step = FIRST_STEP_BYTES;
  for (let done = 0; done < size; ) {
    signal?.throwIfAborted();
    const length = Math.min(step, size - done);
    const began = performance.now();
    try {
      await disk.writeZeroes(start + done, length, { mayPunch: true, fast: onlyFast });
    } catch (error) {
      if (onlyFast && error instanceof DiskError && NO_FAST_WAY.includes(error.errno)) return false;
      throw error;
    }
    if (performance.now() - began < QUICK_MS) step = Math.min(MAX_STEP_BYTES, step * 2);
    done += length;
  }
  return true;
}

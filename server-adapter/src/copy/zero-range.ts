import type { Disk } from '@diskferry/protocol/disk';
import type { ByteRange } from '../partitions/readable-disk.ts';

/** How much a disk is asked to zero at first, in bytes: soon done also where it writes zeros. */
const FIRST_STEP_BYTES = 16 * 1024 * 1024;
const MAX_STEP_BYTES = 1024 * 1024 * 1024;
/** A disk that needs less than this for a step, in ms, is asked for twice as much. */
const QUICK_MS = 200;

/**
 * Makes a range read as zeros in whatever way the disk likes best, in steps that are short enough to be interrupted.
 *
 * @throws what the disk throws; the reason of the signal
 */
export async function zeroRange(
  disk: Pick<Disk, 'writeZeroes'>,
  { start, size }: ByteRange,
  signal?: AbortSignal,
): Promise<void> {
  let step = FIRST_STEP_BYTES;
  for (let done = 0; done < size; ) {
    signal?.throwIfAborted();
    const length = Math.min(step, size - done);
    const began = performance.now();
    await disk.writeZeroes(start + done, length, { mayPunch: true });
    if (performance.now() - began < QUICK_MS) step = Math.min(MAX_STEP_BYTES, step * 2);
    done += length;
  }
}

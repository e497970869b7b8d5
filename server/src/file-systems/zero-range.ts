import { run } from '@diskferry/system/run';

/** The kernel zeroes so many bytes without looking for an abort. */
const STEP_BYTES = 256 * 1024 * 1024;

export interface ZeroRangeOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a range of a block device read as zeros, by a command of the disk where it has one, else by writing them.
 *
 * @param offset in bytes, a multiple of the device's sector size, as `length` is
 * @throws {CommandError} when the device is mounted, or cannot be written
 */
export async function zeroRange(
  device: string,
  offset: number,
  length: number,
  { signal }: ZeroRangeOptions = {},
): Promise<void> {
  if (length === 0) return;
  const range = ['--offset', String(offset), '--length', String(length), '--step', String(STEP_BYTES)];
  await run(['blkdiscard', '--zeroout', ...range, device], { signal });
}

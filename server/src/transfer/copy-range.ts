import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { isZero } from '../file-systems/block-device.ts';

/** Small enough to keep memory low, large enough to keep a link busy. */
const PIECE_BYTES = 1024 * 1024;

/** Copies a range between two disks at the same place; zeros are not written, so a sparse destination stays sparse. */
export async function copyRange(
  source: Pick<SimulatedDisk, 'read'>,
  destination: Pick<SimulatedDisk, 'write'>,
  { start, size }: ByteRange,
): Promise<void> {
  for (let done = 0; done < size; done += PIECE_BYTES) {
    const piece = await source.read(start + done, Math.min(PIECE_BYTES, size - done));
    if (!isZero(piece)) await destination.write(start + done, piece);
  }
}

/**
 * Compares a range of one disk with the same range of another, which has it `moved` bytes further on.
 *
 * @returns the first byte of the source that differs
 */
export async function firstDifference(
  source: Pick<SimulatedDisk, 'read'>,
  destination: Pick<SimulatedDisk, 'read'>,
  { start, size }: ByteRange,
  moved: number,
): Promise<number | undefined> {
  for (let done = 0; done < size; done += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, size - done);
    const [left, right] = await Promise.all([
      source.read(start + done, length),
      destination.read(start + done + moved, length),
    ]);
    if (left.equals(right)) continue;
    return start + done + left.findIndex((byte, index) => byte !== right[index]);
  }
  return undefined;
}

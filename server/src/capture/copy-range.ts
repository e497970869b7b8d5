import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';

/** Small enough to keep memory low, large enough to keep a link busy. */
const PIECE_BYTES = 1024 * 1024;

/** A byte range of a disk. */
export interface Range {
  readonly start: number;
  readonly size: number;
}

/** Copies a range between two disks at the same place; zeros are not written, so a sparse destination stays sparse. */
export async function copyRange(
  source: Pick<SimulatedDisk, 'read'>,
  destination: Pick<SimulatedDisk, 'write'>,
  { start, size }: Range,
): Promise<void> {
  for (let done = 0; done < size; done += PIECE_BYTES) {
    const piece = await source.read(start + done, Math.min(PIECE_BYTES, size - done));
    if (!isZero(piece)) await destination.write(start + done, piece);
  }
}

/** Whether all bytes are zero. */
export function isZero(bytes: Buffer): boolean {
  return bytes.length === 0 || (bytes[0] === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1)));
}

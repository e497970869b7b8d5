import { type Disk, DiskError } from '@diskferry/protocol/disk';
import { extentsOf } from './extents.ts';

/** A disk that counts the bytes that pass. */
export interface CountingDisk extends Disk {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface CountOptions {
  /**
   * Called when a write, discard, zeroing or flush failed. File systems may hide a failed write, so that only this
   * tells whether the contents of the disk are whole.
   */
  readonly onFailure: (error: Error) => void;
}

/** Linux has one number for these two names: the caller then does the same in another way. */
const NOT_OFFERED: readonly string[] = ['ENOTSUP', 'EOPNOTSUPP'];

/** Counts the bytes that are read from and written to `below`. */
export function countDisk(below: Disk, { onFailure }: CountOptions): CountingDisk {
  let bytesRead = 0;
  let bytesWritten = 0;

  async function change(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const isRefusal = error instanceof DiskError && NOT_OFFERED.includes(error.errno);
      if (!isRefusal) onFailure(error as Error);
      throw error;
    }
  }

  return {
    size: below.size,
    sectorSize: below.sectorSize,
    readOnly: below.readOnly,
    get bytesRead() {
      return bytesRead;
    },
    get bytesWritten() {
      return bytesWritten;
    },
    async read(offset, target) {
      await below.read(offset, target);
      bytesRead += target.length;
    },
    async write(offset, data, options) {
      await change(below.write(offset, data, options));
      bytesWritten += data.length;
    },
    flush: () => change(below.flush()),
    discard: (offset, length) => change(below.discard(offset, length)),
    writeZeroes: (offset, length, options) => change(below.writeZeroes(offset, length, options)),
    ...extentsOf(below),
    close: () => below.close(),
  };
}

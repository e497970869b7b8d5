import type { Disk } from '@diskferry/protocol/disk';

/** A disk that counts what passes and remembers the first change that failed. */
export interface CountingDisk extends Disk {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /**
   * Why the first write, discard, zeroing or flush failed, if one did. File systems may hide a failed write, so that
   * only this tells whether the contents of the disk are whole.
   */
  readonly firstFailure: Error | undefined;
}

/** Counts the bytes that are read from and written to `below`. */
export function countDisk(below: Disk): CountingDisk {
  let bytesRead = 0;
  let bytesWritten = 0;
  let firstFailure: Error | undefined;

  async function change(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      firstFailure ??= error as Error;
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
    get firstFailure() {
      return firstFailure;
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
    close: () => below.close(),
  };
}

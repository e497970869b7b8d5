import { type Disk, type DiskCache, DiskError } from '@diskferry/protocol/disk';
import type { ActivityBook, DiskUse } from './activity.ts';

/** A disk that writes down what one connection does with it, until it is closed. */
export function countedDisk(disk: Disk, use: DiskUse, book: ActivityBook): Disk {
  const watched = async <T>(operation: Promise<T>): Promise<T> => {
    try {
      return await operation;
    } catch (error) {
      // A fast way that a disk does not have is asked for, not relied on.
      if (!(error instanceof DiskError && error.errno === 'ENOTSUP')) {
        book.fail(use.disk, error instanceof Error ? error.message : String(error));
      }
      throw error;
    }
  };
  const extents = disk.extents?.bind(disk);
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    readOnly: disk.readOnly,
    read: async (offset, target) => {
      await watched(disk.read(offset, target));
      use.bytesRead += target.length;
    },
    write: async (offset, data, options) => {
      await watched(disk.write(offset, data, options));
      use.bytesWritten += data.length;
    },
    ...(disk.cache === undefined ? {} : { cache: countedCache(disk.cache, use) }),
    ...(extents === undefined ? {} : { extents: (offset, length) => watched(extents(offset, length)) }),
    flush: () => watched(disk.flush()),
    discard: (offset, length) => watched(disk.discard(offset, length)),
    writeZeroes: async (offset, length, options) => {
      await watched(disk.writeZeroes(offset, length, options));
      use.bytesWritten += length;
    },
    close: () => {
      book.end(use);
      return disk.close();
    },
  };
}

function countedCache(cache: DiskCache, use: DiskUse): DiskCache {
  return {
    has: (offset, length) => cache.has(offset, length),
    read: (offset, target) => {
      const done = cache.read(offset, target);
      if (done) use.bytesRead += target.length;
      return done;
    },
    send: (socket, header, offset, length) => {
      const taken = cache.send(socket, header, offset, length);
      use.bytesRead += Math.max(0, taken - header.length);
      return taken;
    },
  };
}

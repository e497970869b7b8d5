import { type Disk, DiskError } from '@diskferry/protocol/disk';
import type { Grant } from './grants.ts';

/** A disk that can be written as long as its grant lasts, and read. */
export function grantedDisk(disk: Disk, grant: Grant): Disk {
  async function whileGranted(change: () => Promise<void>): Promise<void> {
    if (grant.isActive) return change();
    throw new DiskError('EPERM', `the right of job ${grant.job} to write to ${grant.disk} has ended`);
  }
  const extents = disk.extents?.bind(disk);
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    readOnly: disk.readOnly,
    read: (offset, target) => disk.read(offset, target),
    ...(disk.cache === undefined ? {} : { cache: disk.cache }),
    ...(extents === undefined ? {} : { extents }),
    flush: () => disk.flush(),
    write: (offset, data, options) => whileGranted(() => disk.write(offset, data, options)),
    discard: (offset, length) => whileGranted(() => disk.discard(offset, length)),
    writeZeroes: (offset, length, options) => whileGranted(() => disk.writeZeroes(offset, length, options)),
    close: () => disk.close(),
  };
}

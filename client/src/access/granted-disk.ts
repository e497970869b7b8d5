import type { Disk } from '@diskferry/protocol/disk';
import type { NamedGrant } from './grants.ts';

/** A disk that can be written as long as its grant lasts, and read. */
export function grantedDisk(disk: Disk, granted: NamedGrant): Disk {
  const extents = disk.extents?.bind(disk);
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    readOnly: disk.readOnly,
    read: (offset, target) => disk.read(offset, target),
    ...(disk.cache === undefined ? {} : { cache: disk.cache }),
    ...(extents === undefined ? {} : { extents }),
    flush: () => disk.flush(),
    write: (offset, data, options) => granted.run(() => disk.write(offset, data, options)),
    discard: (offset, length) => granted.run(() => disk.discard(offset, length)),
    writeZeroes: (offset, length, options) => granted.run(() => disk.writeZeroes(offset, length, options)),
    close: () => disk.close(),
  };
}

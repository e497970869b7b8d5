import { statSync, type Stats } from 'node:fs';
import { basename, resolve } from 'node:path';
import { findBlockDevice } from './block-devices.ts';
import type { LocalDisk } from './local-disk.ts';

/** A path given with --disk cannot be served. */
export class NamedDiskError extends Error {
  readonly code = 'DISK_UNUSABLE';

  constructor(path: string, why: string) {
    super(`cannot serve ${path}: ${why}`);
    this.name = 'NamedDiskError';
  }
}

export interface NamedDiskOptions {
  /** Of plain files, in bytes. */
  readonly sectorSize: number;
  readonly sysRoot?: string;
}

/**
 * A disk by its path: a block device of any kind, also one that is not in the list of the computer's disks, or a
 * plain file.
 *
 * @throws {NamedDiskError}
 */
export function describeNamedDisk(path: string, options: NamedDiskOptions): LocalDisk {
  const stats = statPath(path);
  if (stats.isBlockDevice()) return describeDevice(path, stats, options);
  if (stats.isFile()) return describeFile(path, stats, options);
  throw new NamedDiskError(path, 'it is neither a block device nor a plain file');
}

function statPath(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NamedDiskError(path, code === 'ENOENT' ? 'there is no such file' : String(code));
  }
}

function describeDevice(path: string, { rdev }: Stats, { sysRoot }: NamedDiskOptions): LocalDisk {
  const disk = findBlockDevice(`${majorOf(rdev)}:${minorOf(rdev)}`, sysRoot);
  if (disk === undefined) throw new NamedDiskError(path, 'the kernel has no such block device');
  if (disk.info.size === 0) throw new NamedDiskError(path, 'it has no medium');
  return { ...disk, path: resolve(path) };
}

function describeFile(path: string, { size, dev, ino }: Stats, { sectorSize }: NamedDiskOptions): LocalDisk {
  if (size === 0) throw new NamedDiskError(path, 'the file is empty');
  if (size % sectorSize !== 0) {
    throw new NamedDiskError(
      path,
      `its size, ${size} bytes, is not a multiple of the sector size, ${sectorSize} bytes; lengthen the file or ` +
        'give another --sector-size',
    );
  }
  return {
    info: {
      name: basename(path),
      size,
      sectorSize: { logical: sectorSize, physical: sectorSize },
      transport: 'file',
      removable: false,
      readOnly: false,
    },
    path: resolve(path),
    kind: 'file',
    generation: `${dev}:${ino}:${size}`,
  };
}

// The kernel's encoding of device numbers in 64 bits, as in gnu_dev_major(3): 12 low and 20 high bits of the
// major number around 8 low bits of the minor number; numbers of real devices stay below 2^31 here.
function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}

import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import type { ReadableDisk } from '../partitions/readable-disk.ts';

/** A disk image in a plain file, whose bytes a test can damage. */
export interface FileDisk extends ReadableDisk {
  readonly path: string;
  damage(offset: number, bytes: Uint8Array): void;
}

export function fileDisk(path: string, sectorSize = 512): FileDisk {
  return {
    path,
    size: statSync(path).size,
    sectorSize: { logical: sectorSize, physical: sectorSize },
    async read(offset, length) {
      const file = openSync(path, 'r');
      try {
        const buffer = Buffer.alloc(length);
        readSync(file, buffer, 0, length, offset);
        return buffer;
      } finally {
        closeSync(file);
      }
    },
    damage(offset, bytes) {
      const file = openSync(path, 'r+');
      try {
        writeSync(file, bytes, 0, bytes.length, offset);
      } finally {
        closeSync(file);
      }
    },
  };
}

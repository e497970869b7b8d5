import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import type { ReadableDisk } from '../partitions/readable-disk.ts';

/** A disk image in a plain file, whose bytes a test can damage. */
export interface FileDisk extends ReadableDisk {
  readonly path: string;
  damage(offset: number, bytes: Uint8Array): void;
  /** Turns every bit of the byte at `offset`: it is another one, also in random data such as GUIDs and checksums. */
  flip(offset: number): void;
}

export function fileDisk(path: string, sectorSize = 512): FileDisk {
  const damage: FileDisk['damage'] = (offset, bytes) => {
    const file = openSync(path, 'r+');
    try {
      writeSync(file, bytes, 0, bytes.length, offset);
    } finally {
      closeSync(file);
    }
  };
  const read = (offset: number, length: number): Buffer => {
    const file = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(length);
      readSync(file, buffer, 0, length, offset);
      return buffer;
    } finally {
      closeSync(file);
    }
  };
  return {
    path,
    size: statSync(path).size,
    sectorSize: { logical: sectorSize, physical: sectorSize },
    read: async (offset, length) => read(offset, length),
    damage,
    flip: (offset) => damage(offset, Buffer.of(read(offset, 1).readUInt8() ^ 0xff)),
  };
}

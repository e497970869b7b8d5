import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Disk } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';

/** A small generator with a seed (mulberry32), so that a failing stream of operations can be run again. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A memory disk full of random bytes whose requests end in another order than they came. */
export function slowRandomDisk(size: number, sector: number, random: () => number): MemoryDisk {
  const bytes = Uint8Array.from({ length: size }, () => Math.floor(random() * 256));
  const disk = new MemoryDisk(bytes, { sectorSize: { logical: sector, physical: sector } });
  for (const method of ['read', 'write', 'writeZeroes'] as const) {
    const work = disk[method].bind(disk) as (...args: unknown[]) => Promise<void>;
    disk[method] = async (offset: number, ...rest: unknown[]) => {
      const length = typeof rest[0] === 'number' ? rest[0] : (rest[0] as Uint8Array).length;
      if (offset % sector !== 0 || length % sector !== 0) {
        throw new RangeError(`${length} bytes at ${offset} are not whole sectors of ${sector}`);
      }
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) await nextTurn();
      return work(offset, ...rest);
    };
  }
  return disk;
}

/**
 * Does a batch of random writes and zeroings on ranges that do not overlap, all at once, on a disk and on the bytes
 * that it should have.
 */
export async function changeAtRandom(
  disk: Disk,
  expected: Uint8Array,
  random: () => number,
  sector: number,
): Promise<void> {
  const work: Promise<void>[] = [];
  for (let offset = Math.floor(random() * 32) * sector; offset < disk.size; ) {
    const length = Math.min(disk.size - offset, (1 + Math.floor(random() * 24)) * sector);
    if (random() < 0.3) {
      expected.fill(0, offset, offset + length);
      work.push(disk.writeZeroes(offset, length, { mayPunch: random() < 0.5 }));
    } else {
      const data = Uint8Array.from({ length }, () => Math.floor(random() * 256));
      expected.set(data, offset);
      work.push(disk.write(offset, data));
    }
    // Often directly behind, so that neighbours share a granule.
    offset += length + (random() < 0.5 ? 0 : Math.floor(random() * 64) * sector);
  }
  await Promise.all(work);
}

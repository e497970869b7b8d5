import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Disk, DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { changeAtRandom, seededRandom, slowRandomDisk } from '../testing/random-operations.ts';
import { readAhead } from './read-ahead-disk.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const REQUEST = 128 * KIB;

/** A disk that writes down which ranges were read, and fails or waits where a test wants it. */
function watched(size: number) {
  const bytes = Buffer.alloc(size, 0x5a);
  for (let offset = 0; offset < size; offset += 4 * KIB) bytes.writeUInt32LE(offset / KIB, offset);
  const memory = new MemoryDisk(bytes);
  const reads: { offset: number; length: number }[] = [];
  let behavior: (offset: number) => Promise<void> = async () => {};
  const disk: Disk = {
    size,
    sectorSize: memory.sectorSize,
    readOnly: false,
    async read(offset, target) {
      reads.push({ offset, length: target.length });
      await memory.read(offset, target);
      await behavior(offset);
    },
    write: (offset, data) => memory.write(offset, data),
    flush: () => memory.flush(),
    discard: (offset, length) => memory.discard(offset, length),
    writeZeroes: (offset, length) => memory.writeZeroes(offset, length),
    close: () => memory.close(),
  };
  return {
    disk,
    bytes,
    reads,
    readBytes: () => reads.reduce((sum, { length }) => sum + length, 0),
    furthest: () => Math.max(...reads.map(({ offset, length }) => offset + length)),
    onRead(next: (offset: number) => Promise<void>) {
      behavior = next;
    },
  };
}

async function readInOrder(disk: Disk, start: number, end: number, step = REQUEST): Promise<void> {
  for (let offset = start; offset < end; offset += step) {
    await disk.read(offset, new Uint8Array(Math.min(step, end - offset)));
  }
}

describe('a disk that is read in order', () => {
  test('is read ahead after a while, and what is asked for then comes from memory', async () => {
    const below = watched(32 * MIB);
    const disk = readAhead(below.disk);
    await readInOrder(disk, 0, 16 * MIB);
    assert.ok(below.furthest() >= 19 * MIB, `read ahead to ${below.furthest()}`);
    const before = below.reads.length;
    const target = Buffer.alloc(REQUEST);
    await disk.read(16 * MIB, target);
    assert.ok(target.equals(below.bytes.subarray(16 * MIB, 16 * MIB + REQUEST)));
    assert.ok(
      below.reads.slice(before).every(({ offset }) => offset >= 17 * MIB),
      'the bytes asked for were read again',
    );
  });

  test('costs at most a quarter more than what was asked for, wherever the reader stops', async () => {
    for (const stop of [64 * KIB, MIB, 2 * MIB, 3 * MIB + 8 * KIB, 10 * MIB, 30 * MIB]) {
      const below = watched(48 * MIB);
      await readInOrder(readAhead(below.disk), 0, stop, 8 * KIB);
      assert.ok(below.readBytes() <= stop * 1.25, `${below.readBytes()} bytes were read for ${stop}`);
    }
  });

  test('is never read beyond its end', async () => {
    const below = watched(5 * MIB + 4 * KIB);
    await readInOrder(readAhead(below.disk), 0, below.disk.size);
    assert.equal(below.furthest(), below.disk.size);
    assert.equal(below.readBytes(), below.disk.size);
  });

  test('may be read by several at once, each read ahead by itself', async () => {
    const below = watched(64 * MIB);
    const disk = readAhead(below.disk);
    for (let done = 0; done < 6 * MIB; done += REQUEST) {
      await Promise.all([0, 20, 40].map((start) => disk.read(start * MIB + done, new Uint8Array(REQUEST))));
    }
    for (const start of [0, 20, 40]) {
      const furthest = below.reads
        .map(({ offset, length }) => offset + length)
        .filter((end) => end > start * MIB && end <= (start + 20) * MIB);
      assert.ok(Math.max(...furthest) > (start + 6) * MIB, `the stream at ${start} MiB was not read ahead`);
    }
    assert.ok(below.readBytes() <= 18 * MIB * 1.25);
  });

  test('goes on after a failure with the very error, and is not asked for more than is wanted', async () => {
    const below = watched(32 * MIB);
    const disk = readAhead(below.disk);
    await readInOrder(disk, 0, 8 * MIB);
    below.onRead(async (offset) => {
      if (offset >= 8 * MIB) throw new DiskError('EIO', 'a bad sector');
    });
    await readInOrder(disk, 8 * MIB, below.furthest());
    const bad = Math.ceil(below.furthest() / REQUEST) * REQUEST;
    await assert.rejects(disk.read(bad, new Uint8Array(REQUEST)), { errno: 'EIO' });
    const before = below.reads.length;
    await assert.rejects(disk.read(bad + REQUEST, new Uint8Array(REQUEST)), { errno: 'EIO' });
    assert.deepEqual(below.reads.slice(before), [{ offset: bad + REQUEST, length: REQUEST }]);
  });
});

describe('random reads', () => {
  test('are not read ahead', async () => {
    const below = watched(64 * MIB);
    const disk = readAhead(below.disk);
    const random = seededRandom(7);
    for (let count = 0; count < 400; count++) {
      await disk.read(Math.floor(random() * 16_000) * 4 * KIB, new Uint8Array(4 * KIB));
    }
    assert.equal(below.readBytes(), 400 * 4 * KIB);
  });

  test('do not push out a long stream', async () => {
    const below = watched(256 * MIB);
    const disk = readAhead(below.disk);
    await readInOrder(disk, 0, 8 * MIB);
    const random = seededRandom(8);
    for (let count = 0; count < 200; count++) {
      await disk.read((32 + Math.floor(random() * 200)) * MIB, new Uint8Array(4 * KIB));
    }
    const before = below.reads.length;
    await disk.read(8 * MIB, new Uint8Array(REQUEST));
    assert.ok(below.reads.slice(before).every(({ offset }) => offset > 8 * MIB));
  });
});

describe('bytes that were read ahead', () => {
  for (const [name, change, expected] of [
    ['a write', (disk: Disk, at: number) => disk.write(at, Buffer.alloc(4 * KIB, 7)), 7],
    ['zeroing', (disk: Disk, at: number) => disk.writeZeroes(at, 4 * KIB), 0],
  ] as const) {
    test(`are not shown after ${name} over them`, async () => {
      const below = watched(32 * MIB);
      const disk = readAhead(below.disk);
      await readInOrder(disk, 0, 8 * MIB);
      const at = 9 * MIB;
      assert.ok(below.furthest() > at, 'nothing was read ahead, so nothing is tested');
      await change(disk, at);
      await readInOrder(disk, 8 * MIB, at);
      const target = Buffer.alloc(4 * KIB, 1);
      await disk.read(at, target);
      assert.ok(target.equals(Buffer.alloc(4 * KIB, expected)));
    });
  }

  test('and were still on their way when they were overwritten are not shown either', async () => {
    const below = watched(32 * MIB);
    const disk = readAhead(below.disk);
    await readInOrder(disk, 0, 8 * MIB - REQUEST);
    const held = Promise.withResolvers<void>();
    const first = below.furthest();
    below.onRead((offset) => (offset >= first ? held.promise : Promise.resolve()));
    await disk.read(8 * MIB - REQUEST, new Uint8Array(REQUEST));
    assert.ok(below.furthest() > first, 'nothing is on its way, so nothing is tested');
    const written = disk.write(first, Buffer.alloc(4 * KIB, 7));
    held.resolve();
    await written;
    const target = Buffer.alloc(4 * KIB);
    await disk.read(first, target);
    assert.ok(target.equals(Buffer.alloc(4 * KIB, 7)));
  });

  test('while they were being overwritten are not shown afterwards', async () => {
    const below = watched(32 * MIB);
    const held = Promise.withResolvers<void>();
    const disk = readAhead({
      ...below.disk,
      write: async (offset, data) => {
        await held.promise;
        await below.disk.write(offset, data);
      },
    });
    const written = disk.write(9 * MIB, Buffer.alloc(4 * KIB, 7));
    await readInOrder(disk, 0, 8 * MIB);
    assert.ok(below.furthest() > 9 * MIB, 'nothing was read ahead, so nothing is tested');
    held.resolve();
    await written;
    const target = Buffer.alloc(4 * KIB);
    await disk.read(9 * MIB, target);
    assert.ok(target.equals(Buffer.alloc(4 * KIB, 7)));
  });

  test('are lent as they lie, to one who looks at them while another goes on', async () => {
    const below = watched(32 * MIB);
    const disk = readAhead(below.disk);
    await readInOrder(disk, 0, 8 * MIB);
    const seen: Buffer[] = [];
    const work: Promise<unknown>[] = [];
    for (let offset = 8 * MIB; offset < 24 * MIB; offset += REQUEST) {
      work.push(
        disk.lend?.(offset, REQUEST, (parts) => (seen[offset / REQUEST] = Buffer.concat(parts))) ??
          disk.read(offset, Buffer.alloc(REQUEST)),
      );
    }
    const results = await Promise.all(work);
    assert.ok(results.filter((result) => result === true).length > 50, 'hardly anything was lent');
    for (const [index, bytes] of seen.entries()) {
      const expected = below.bytes.subarray(index * REQUEST, (index + 1) * REQUEST);
      if (bytes !== undefined) assert.ok(bytes.equals(expected), `request ${index} saw other bytes`);
    }
  });
});

test('streams of reads and changes in any order leave and show the right bytes', async () => {
  for (const seed of [1, 2]) {
    const random = seededRandom(seed);
    const below = slowRandomDisk(5 * MIB, 512, random);
    const disk = readAhead(below);
    const expected = Buffer.alloc(below.size);
    await below.read(0, expected);
    for (let round = 0; round < 6; round++) {
      const start = Math.floor(random() * 2) * MIB;
      for (let offset = start; offset + REQUEST <= below.size; offset += REQUEST) {
        const target = Buffer.alloc(REQUEST);
        await disk.read(offset, target);
        assert.ok(target.equals(expected.subarray(offset, offset + REQUEST)), `seed ${seed}, ${offset}`);
        if (random() < 0.05) await nextTurn();
        if (random() < 0.02) await changeNear(disk, expected, offset, random);
      }
    }
    await changeAtRandom(disk, expected, random, 512);
    const all = Buffer.alloc(below.size);
    await below.read(0, all);
    assert.ok(all.equals(expected), `seed ${seed}`);
  }
});

/** Overwrites a few sectors that are probably read ahead, while the reader waits. */
async function changeNear(disk: Disk, expected: Buffer, offset: number, random: () => number): Promise<void> {
  const at = Math.min(disk.size - 4096, offset + Math.floor(random() * 4096) * 512);
  const data = Buffer.alloc(4096, Math.floor(random() * 256));
  data.copy(expected, at);
  await disk.write(at, data);
}

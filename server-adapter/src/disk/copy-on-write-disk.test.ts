import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { changeAtRandom, seededRandom, slowRandomDisk } from '../testing/random-operations.ts';
import { copyOnWrite } from './copy-on-write-disk.ts';
import type { LendingDisk } from './lending-disk.ts';
import { openScratchFile, type ScratchFile } from './scratch-file.ts';

let folder: string;
const onFailure = (error: Error): void => assert.fail(error);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diskferry-test-'));
});
after(() => rm(folder, { recursive: true }));

const GRANULE = 4096;

for (const sector of [512, 4096, 8192]) {
  for (const seed of [1, 2, 3, 4]) {
    test(`random changes of sectors of ${sector} bytes read back and leave the disk below alone, seed ${seed}`, async () => {
      const random = seededRandom(seed);
      // Not whole granules: the last one is short.
      const size = 64 * 8192 + sector;
      const below = slowRandomDisk(size, sector, random);
      const original = below.bytes.slice();
      const expected = below.bytes.slice();
      const disk = copyOnWrite(below, openScratchFile(folder, { segmentBytes: 24 * 8192 }), { onFailure });
      for (let round = 0; round < 12; round++) {
        await changeAtRandom(disk, expected, random, sector);
        const offset = Math.floor((random() * size) / sector) * sector;
        const part = new Uint8Array(Math.min(size - offset, 40 * sector));
        await disk.read(offset, part);
        assert.deepEqual(part, expected.subarray(offset, offset + part.length));
      }
      const whole = new Uint8Array(size);
      await disk.read(0, whole);
      assert.deepEqual(whole, expected);
      assert.deepEqual(below.bytes, original);
      await disk.close();
    });
  }
}

test('two writes into one granule at once both survive', async () => {
  const below = slowRandomDisk(GRANULE, 512, seededRandom(7));
  const expected = below.bytes.slice();
  expected.fill(1, 0, 512).fill(2, 1024, 1536).fill(3, 3584, 4096);
  const disk = copyOnWrite(below, openScratchFile(folder), { onFailure });
  await Promise.all([
    disk.write(0, new Uint8Array(512).fill(1)),
    disk.write(1024, new Uint8Array(512).fill(2)),
    disk.write(3584, new Uint8Array(512).fill(3)),
  ]);
  const read = new Uint8Array(GRANULE);
  await disk.read(0, read);
  assert.deepEqual(read, expected);
  await disk.close();
});

test('a discarded granule reads as zeros, and a part of one that is not discarded keeps its bytes', async () => {
  const disk = copyOnWrite(new MemoryDisk(new Uint8Array(3 * GRANULE).fill(9)), openScratchFile(folder), {
    onFailure,
  });
  await disk.discard(512, 2 * GRANULE);
  const read = new Uint8Array(3 * GRANULE);
  await disk.read(0, read);
  assert.ok(read.subarray(0, GRANULE).every((byte) => byte === 9));
  assert.ok(read.subarray(GRANULE, 2 * GRANULE).every((byte) => byte === 0));
  assert.ok(read.subarray(2 * GRANULE).every((byte) => byte === 9));
  await disk.close();
});

test('a write into a granule that was zeroed after an earlier write does not bring the old bytes back', async () => {
  const disk = copyOnWrite(new MemoryDisk(new Uint8Array(GRANULE).fill(9)), openScratchFile(folder), {
    onFailure,
  });
  await disk.write(0, new Uint8Array(GRANULE).fill(5));
  await disk.writeZeroes(0, GRANULE);
  await disk.write(512, new Uint8Array(512).fill(6));
  const read = new Uint8Array(GRANULE);
  await disk.read(0, read);
  assert.deepEqual(read, new Uint8Array(GRANULE).fill(6, 512, 1024));
  await disk.close();
});

test('what is not changed is read from below in one request, and nothing is read for whole granules', async () => {
  const below = new MemoryDisk(new Uint8Array(64 * GRANULE), { readOnly: true });
  const reads: [number, number][] = [];
  const read = below.read.bind(below);
  below.read = async (offset, target) => {
    reads.push([offset, target.length]);
    await read(offset, target);
  };
  const disk = copyOnWrite(below, openScratchFile(folder), { onFailure });
  await disk.write(GRANULE, new Uint8Array(GRANULE));
  assert.deepEqual(reads, []);
  await disk.read(0, new Uint8Array(64 * GRANULE));
  assert.deepEqual(reads, [
    [0, GRANULE],
    [2 * GRANULE, 62 * GRANULE],
  ]);
  assert.equal(disk.layerBytesWritten, GRANULE);
  await disk.close();
});

test('a full layer fails the write, is reported, and the bytes below are still read', async () => {
  const failures: Error[] = [];
  const full: ScratchFile = {
    read: async () => assert.fail('nothing was written'),
    write: async () => {
      throw new DiskError('ENOSPC', 'no space left');
    },
    close: async () => {},
  };
  const disk = copyOnWrite(new MemoryDisk(new Uint8Array(GRANULE).fill(9)), full, {
    onFailure: (error) => failures.push(error),
  });
  await assert.rejects(disk.write(0, new Uint8Array(512)), { errno: 'ENOSPC' });
  assert.deepEqual(failures.map(String), ['DiskError: no space left']);
  const read = new Uint8Array(GRANULE);
  await disk.read(0, read);
  assert.ok(read.every((byte) => byte === 9));
});

test('a source that fails while a granule is filled fails that write only', async () => {
  const below = new MemoryDisk(new Uint8Array(2 * GRANULE).fill(9));
  const read = below.read.bind(below);
  below.read = async (offset, target) => {
    if (offset < GRANULE) throw new DiskError('EIO', 'bad sector');
    await read(offset, target);
  };
  const disk = copyOnWrite(below, openScratchFile(folder), { onFailure });
  await assert.rejects(disk.write(512, new Uint8Array(512)), { errno: 'EIO' });
  await disk.write(GRANULE + 512, new Uint8Array(512).fill(1));
  await disk.write(0, new Uint8Array(GRANULE).fill(2));
  const bytes = new Uint8Array(2 * GRANULE);
  await disk.read(0, bytes);
  assert.deepEqual(
    bytes,
    new Uint8Array(2 * GRANULE)
      .fill(2, 0, GRANULE)
      .fill(9, GRANULE)
      .fill(1, GRANULE + 512, GRANULE + 1024),
  );
  await disk.close();
});

describe('of a disk that lends and knows its holes, the copy-on-write layer', () => {
  function lendingDisk(): LendingDisk {
    const memory = new MemoryDisk(new Uint8Array(16 * GRANULE).fill(9));
    const disk: LendingDisk = memory;
    disk.lend = async (offset, length, use) => {
      use([memory.bytes.subarray(offset, offset + length)]);
      return true;
    };
    disk.extents = async (_offset, length) => [
      { length: Math.min(length, 2 * GRANULE), hole: true, zero: true },
    ];
    return disk;
  }

  test('lends what was never changed, and nothing of a range that was', async () => {
    const disk = copyOnWrite(lendingDisk(), openScratchFile(folder), { onFailure });
    await disk.write(4 * GRANULE, new Uint8Array(GRANULE));
    let seen: Uint8Array = new Uint8Array(0);
    const use = (parts: readonly Uint8Array[]): void => {
      seen = Buffer.concat(parts);
    };
    assert.equal(await disk.lend?.(0, 4 * GRANULE, use), true);
    assert.deepEqual(seen, Buffer.alloc(4 * GRANULE, 9));
    assert.equal(
      disk.lend?.(3 * GRANULE, 2 * GRANULE, () => assert.fail('old bytes were lent')),
      undefined,
    );
    await disk.close();
  });

  test('tells data where it was written, holes where it was zeroed, and else what the disk below tells', async () => {
    const disk = copyOnWrite(lendingDisk(), openScratchFile(folder), { onFailure });
    await disk.write(0, new Uint8Array(GRANULE));
    await disk.writeZeroes(GRANULE, GRANULE);
    assert.deepEqual(await disk.extents?.(512, 8 * GRANULE), [
      { length: GRANULE - 512, hole: false, zero: false },
      { length: GRANULE, hole: true, zero: true },
      { length: 2 * GRANULE, hole: true, zero: true },
    ]);
    await disk.close();
  });
});

describe('what was discarded in the copy-on-write layer', () => {
  test('is told as the granules that lie wholly in it, and no more once they are written', async () => {
    const below = slowRandomDisk(64 * GRANULE + 512, 512, seededRandom(9));
    const disk = copyOnWrite(below, openScratchFile(folder), { onFailure });
    const whole = { start: 0, size: disk.size };
    assert.deepEqual(disk.discarded(whole), []);
    await disk.discard(512, 3 * GRANULE);
    await disk.writeZeroes(8 * GRANULE - 512, GRANULE + 1024, { mayPunch: true });
    // Zeros that somebody needs.
    await disk.writeZeroes(20 * GRANULE, 4 * GRANULE);
    await disk.discard(60 * GRANULE, 4 * GRANULE + 512);
    assert.deepEqual(disk.discarded(whole), [
      { start: GRANULE, size: 2 * GRANULE },
      { start: 8 * GRANULE, size: GRANULE },
      { start: 60 * GRANULE, size: 4 * GRANULE + 512 },
    ]);
    assert.deepEqual(disk.discarded({ start: 2 * GRANULE - 512, size: 59 * GRANULE }), [
      { start: 2 * GRANULE, size: GRANULE },
      { start: 8 * GRANULE, size: GRANULE },
    ]);
    await disk.write(61 * GRANULE + 512, new Uint8Array(512).fill(1));
    await disk.write(GRANULE, new Uint8Array(2 * GRANULE));
    assert.deepEqual(disk.discarded(whole), [
      { start: 8 * GRANULE, size: GRANULE },
      { start: 60 * GRANULE, size: GRANULE },
      { start: 62 * GRANULE, size: 2 * GRANULE + 512 },
    ]);
    const read = new Uint8Array(GRANULE).fill(1);
    await disk.read(62 * GRANULE, read);
    assert.ok(read.every((byte) => byte === 0));
    assert.deepEqual(await disk.extents?.(62 * GRANULE, GRANULE), [
      { length: GRANULE, hole: true, zero: true },
    ]);
    await disk.close();
  });
});

test('the same bytes are read through another view of the disk below', async () => {
  const random = seededRandom(12);
  const below = slowRandomDisk(64 * GRANULE, 512, random);
  const expected = below.bytes.slice();
  const disk = copyOnWrite(below, openScratchFile(folder), { onFailure });
  for (let round = 0; round < 4; round++) await changeAtRandom(disk, expected, random, 512);
  let read = 0;
  const other = new MemoryDisk(below.bytes);
  other.read = async (offset, target) => {
    read += target.length;
    return below.read(offset, target);
  };
  const view = disk.readThrough(other);
  const whole = new Uint8Array(below.size);
  await view.read(0, whole);
  assert.deepEqual(whole, expected);
  assert.ok(read > 0 && read < below.size, `${read} bytes came from below`);
  await disk.close();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { changeAtRandom, seededRandom, slowRandomDisk } from '../testing/random-operations.ts';
import { withSectorSize } from './sector-view.ts';

for (const seed of [1, 2, 3, 4]) {
  test(`a disk of 4096-byte sectors takes random changes of 512 bytes, seed ${seed}`, async () => {
    const random = seededRandom(seed);
    const below = slowRandomDisk(64 * 4096, 4096, random);
    const expected = below.bytes.slice();
    const disk = withSectorSize(below, { logical: 512, physical: 4096 });
    for (let round = 0; round < 20; round++) {
      await changeAtRandom(disk, expected, random, 512);
      const part = new Uint8Array(1536);
      const offset = Math.floor(random() * 500) * 512;
      await disk.read(offset, part);
      assert.deepEqual(part, expected.subarray(offset, offset + part.length));
    }
    assert.deepEqual(below.bytes, expected);
  });
}

test('a discard of a part of a larger sector below is left out', async () => {
  const below = new MemoryDisk(new Uint8Array(3 * 4096).fill(9), {
    sectorSize: { logical: 4096, physical: 4096 },
  });
  await withSectorSize(below, { logical: 512, physical: 4096 }).discard(512, 2 * 4096);
  assert.deepEqual(below.bytes, new Uint8Array(3 * 4096).fill(9).fill(0, 4096, 2 * 4096));
});

test('larger sectors shorten a disk to whole ones', () => {
  const disk = withSectorSize(new MemoryDisk(new Uint8Array(4096 + 512)), { logical: 4096, physical: 4096 });
  assert.equal(disk.size, 4096);
  assert.deepEqual(disk.sectorSize, { logical: 4096, physical: 4096 });
});

test('holes are told only to those who see the same sectors', async () => {
  const below = Object.assign(new MemoryDisk(new Uint8Array(8192)), {
    extents: async (_offset: number, length: number) => [{ length, hole: true, zero: true }],
  });
  const same = withSectorSize(below, { logical: 512, physical: 4096 });
  assert.deepEqual(await same.extents?.(0, 8192), [{ length: 8192, hole: true, zero: true }]);
  assert.ok(!('extents' in withSectorSize(below, { logical: 4096, physical: 4096 })));
});

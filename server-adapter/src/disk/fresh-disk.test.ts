import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { changeAtRandom, seededRandom } from '../testing/random-operations.ts';
import { freshDisk } from './fresh-disk.ts';

for (const seed of [1, 2, 3]) {
  test(`random changes of a fresh disk read back, seed ${seed}`, async () => {
    const random = seededRandom(seed);
    const size = 300 * 1024 + 512;
    const disk = freshDisk(new MemoryDisk(new Uint8Array(size)));
    const expected = new Uint8Array(size);
    for (let round = 0; round < 20; round++) {
      await changeAtRandom(disk, expected, random, 512);
      const whole = new Uint8Array(size);
      await disk.read(0, whole);
      assert.deepEqual(whole, expected);
    }
  });
}

test('what was never written is neither read nor zeroed nor discarded below', async () => {
  const below = new MemoryDisk(new Uint8Array(64 * 1024));
  const asked: string[] = [];
  const disk = freshDisk({
    size: below.size,
    sectorSize: below.sectorSize,
    readOnly: false,
    read: async (offset, target) => void asked.push(`read ${offset} ${target.length}`),
    write: async (offset, data) => void asked.push(`write ${offset} ${data.length}`),
    flush: async () => {},
    discard: async (offset, length) => void asked.push(`discard ${offset} ${length}`),
    writeZeroes: async (offset, length) => void asked.push(`zero ${offset} ${length}`),
    close: async () => {},
  });
  const target = Buffer.alloc(4096, 0xff);
  await disk.read(8192, target);
  assert.ok(target.equals(Buffer.alloc(4096)));
  await disk.writeZeroes(0, 64 * 1024);
  await disk.discard(0, 64 * 1024);
  assert.deepEqual(asked, []);
  await disk.write(4608, Buffer.alloc(512, 1));
  await disk.writeZeroes(0, 64 * 1024);
  await disk.discard(4096, 1024);
  await disk.read(4096, target);
  assert.deepEqual(asked, ['write 4608 512', 'zero 4096 4096', 'discard 4096 1024', 'read 4096 4096']);
  assert.deepEqual(await disk.extents?.(0, 16_384), [
    { length: 4096, hole: true, zero: true },
    { length: 4096, hole: false, zero: false },
    { length: 8192, hole: true, zero: true },
  ]);
  asked.length = 0;
  disk.forget();
  await disk.read(32_768, target);
  await disk.discard(32_768, 4096);
  assert.deepEqual(asked, ['read 32768 4096', 'discard 32768 4096']);
});

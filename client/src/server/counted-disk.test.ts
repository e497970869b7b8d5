import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Disk, DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import type { LocalDisk } from '../disks/local-disk.ts';
import { ActivityBook } from './activity.ts';
import { countedDisk } from './counted-disk.ts';
import { DiskPool } from './disk-pool.ts';

const LOCAL = { path: '/dev/sda', generation: '1' } as LocalDisk;
const HOLE = { length: 512, hole: true, zero: true };

/** A disk as a connection gets it, over one that has all that a disk may have. */
async function servedDisk(methods: Partial<Disk>): Promise<{ disk: Disk; book: ActivityBook }> {
  const pool = new DiskPool(async () => Object.assign(new MemoryDisk(Buffer.alloc(8192)), methods));
  const book = new ActivityBook();
  return { disk: countedDisk(await pool.borrow(LOCAL), book.begin('sda', 'peer'), book), book };
}

test('what a disk knows of holes reaches its connections', async () => {
  const { disk } = await servedDisk({ extents: async () => [HOLE] });
  assert.deepEqual(await disk.extents?.(0, 8192), [HOLE]);
});

test('a disk that knows nothing of holes and memory does not look as if it did', async () => {
  const { disk } = await servedDisk({});
  assert.equal('extents' in disk, false);
  assert.equal('cache' in disk, false);
});

test('a failed question for holes is an error of the disk', async () => {
  const { disk, book } = await servedDisk({ extents: () => Promise.reject(new Error('sda: gone')) });
  await assert.rejects(disk.extents?.(0, 512) ?? Promise.resolve(), /gone/);
  assert.equal(book.summary()[0]?.lastError, 'sda: gone');
});

test('bytes that are answered from memory are counted, without their headers', async () => {
  const { disk, book } = await servedDisk({
    cache: {
      has: (offset) => offset === 0,
      read: (_offset, target) => target.length <= 4096,
      send: (_socket, header, _offset, length) => header.length + length / 2,
    },
  });
  assert.equal(disk.cache?.has(0, 512), true);
  assert.equal(disk.cache?.has(512, 512), false);
  assert.equal(disk.cache?.read(0, Buffer.alloc(8192)), false);
  assert.equal(disk.cache?.read(0, Buffer.alloc(4096)), true);
  assert.equal(disk.cache?.send(1, Buffer.alloc(16), 0, 2048), 1040);
  assert.equal(book.summary()[0]?.bytesRead, 4096 + 1024);
});

test('a fast way to zero that a disk does not have is no error of the disk', async () => {
  const none = new DiskError('ENOTSUP', 'no fast way');
  const { disk, book } = await servedDisk({ writeZeroes: () => Promise.reject(none) });
  await assert.rejects(disk.writeZeroes(0, 512, { fast: true }), /no fast way/);
  assert.equal(book.summary()[0]?.lastError, undefined);
});

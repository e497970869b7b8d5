import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import type { LocalDisk } from '../disks/local-disk.ts';
import { ActivityBook } from './activity.ts';
import { diskCatalog } from './disk-catalog.ts';
import { DiskPool } from './disk-pool.ts';

const LOCAL: LocalDisk = {
  info: {
    name: 'sda',
    size: 4096,
    sectorSize: { logical: 512, physical: 512 },
    model: 'Samsung SSD 970',
    serial: 'S466NX0M',
    transport: 'nvme',
    removable: false,
    readOnly: false,
  },
  path: '/dev/sda',
  kind: 'block-device',
  generation: '1',
};

function catalogOver(disk: MemoryDisk, { peer = '10.0.2.2', book = new ActivityBook() } = {}) {
  const pool = new DiskPool(async () => disk);
  return { book, catalog: diskCatalog({ listDisks: () => [LOCAL], pool, book, peer }) };
}

test('a disk is offered with a line for people', async () => {
  const { catalog } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  assert.deepEqual(await catalog.list(), [
    { name: 'sda', description: 'Samsung SSD 970, 4.1 KB, nvme, serial S466NX0M' },
  ]);
});

test('a disk that is not in the list is not opened', async () => {
  const { catalog } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  assert.equal(await catalog.open('../../etc/shadow'), undefined);
});

test('what a connection reads and writes is counted, and stays counted when it is gone', async () => {
  const { catalog, book } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  const disk = await catalog.open('sda');
  await disk?.read(0, Buffer.alloc(1024));
  await disk?.write(0, Buffer.alloc(512));
  await disk?.writeZeroes(512, 512);
  const counted = { disk: 'sda', bytesRead: 1024, bytesWritten: 1024, errors: 0 };
  assert.deepEqual(book.summary(), [{ ...counted, connections: 1, peers: ['10.0.2.2'] }]);
  await disk?.close();
  assert.deepEqual(book.summary(), [{ ...counted, connections: 0, peers: [] }]);
});

test('an error of the disk is shown and reaches the server unchanged', async () => {
  const broken = new MemoryDisk(Buffer.alloc(4096));
  const failure = new DiskError('EIO', 'sda: cannot read at byte 0: EIO');
  broken.read = async () => {
    throw failure;
  };
  const { catalog, book } = catalogOver(broken);
  const disk = await catalog.open('sda');
  await assert.rejects(async () => disk?.read(0, Buffer.alloc(512)), failure);
  const [activity] = book.summary();
  assert.equal(activity?.errors, 1);
  assert.equal(activity?.lastError, failure.message);
  assert.equal(activity?.bytesRead, 0);
});

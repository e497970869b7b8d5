import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import type { LocalDisk } from '../disks/local-disk.ts';
import { Grants } from '../access/grants.ts';
import type { Peer } from '../access/peer.ts';
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

const PEER: Peer = { id: 'key of a server', name: '10.0.2.2' };

function catalogOver(disk: MemoryDisk, { peer = PEER, grants = new Grants(), writable = false } = {}) {
  const opened: boolean[] = [];
  const pool = new DiskPool(async (_, { writable }) => {
    opened.push(writable);
    return disk;
  });
  const book = new ActivityBook();
  const disks = [LOCAL];
  const listDisks = () => disks;
  const catalog = diskCatalog({ listDisks, pool, book, peer, access: { grants, writable } });
  return { book, catalog, grants, disks, opened };
}

const GRANT_REQUEST = { disk: 'sda', generation: '1', job: 'deploy-7', description: 'web.qcow2' };

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

test('the plain name is opened for reading, and for writing only where everybody may write', async () => {
  for (const writable of [false, true]) {
    const { catalog, opened } = catalogOver(new MemoryDisk(Buffer.alloc(4096)), { writable });
    await catalog.open('sda');
    assert.deepEqual(opened, [writable]);
  }
});

test('the name of a grant is not listed, and opens its disk for writing, counted under the name of the disk', async () => {
  const { catalog, grants, opened, book } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  const { exportName } = grants.give(PEER, {}, GRANT_REQUEST);
  assert.deepEqual(
    (await catalog.list()).map(({ name }) => name),
    ['sda'],
  );
  const disk = await catalog.open(exportName);
  assert.deepEqual(opened, [true]);
  await disk?.write(0, Buffer.alloc(512));
  assert.deepEqual(book.summary()[0]?.disk, 'sda');
});

test('the grant of another peer, a made-up one and one that has ended open nothing', async () => {
  const grants = new Grants();
  const { exportName } = grants.give(PEER, {}, GRANT_REQUEST);
  const other = catalogOver(new MemoryDisk(Buffer.alloc(4096)), { grants, peer: { ...PEER, id: 'other' } });
  const refused = { name: 'ExportRefusal', message: /has ended, or was never given/ };
  await assert.rejects(other.catalog.open(exportName), refused);
  const { catalog } = catalogOver(new MemoryDisk(Buffer.alloc(4096)), { grants });
  await assert.rejects(catalog.open(`${exportName}x`), refused);
  await assert.rejects(catalog.open('sda;grant='), refused);
  grants.end(PEER, 'sda');
  await assert.rejects(catalog.open(exportName), refused);
});

test('a connection that is open for writing when its grant ends reads on and writes no more', async () => {
  const memory = new MemoryDisk(Buffer.alloc(4096));
  const { catalog, grants } = catalogOver(memory);
  const { exportName } = grants.give(PEER, {}, GRANT_REQUEST);
  const disk = await catalog.open(exportName);
  assert.ok(disk);
  await disk.write(0, Buffer.alloc(512, 1));
  grants.end(PEER, 'sda');
  const refused = { errno: 'EPERM', message: 'the right of job deploy-7 to write to sda has ended' };
  await assert.rejects(disk.write(0, Buffer.alloc(512, 2)), refused);
  await assert.rejects(disk.writeZeroes(0, 512), refused);
  await assert.rejects(disk.discard(0, 512), refused);
  const target = Buffer.alloc(512);
  await disk.read(0, target);
  assert.equal(target[0], 1);
  await disk.flush();
});

test('another disk that takes the name of the granted one is not opened with the grant', async () => {
  const { catalog, grants, disks } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  const { exportName } = grants.give(PEER, {}, GRANT_REQUEST);
  disks[0] = { ...LOCAL, generation: '2' };
  await assert.rejects(catalog.open(exportName), { name: 'ExportRefusal' });
});

test('a disk has the same identity under both names, and another disk of the same name has another', async () => {
  const { catalog, grants, disks } = catalogOver(new MemoryDisk(Buffer.alloc(4096)));
  const { exportName } = grants.give(PEER, {}, GRANT_REQUEST);
  const [plain, granted] = [await catalog.open('sda'), await catalog.open(exportName)];
  assert.match(plain?.identity ?? '', /^[0-9a-f]{64}$/);
  assert.equal(granted?.identity, plain?.identity);
  assert.equal(granted?.description, 'Samsung SSD 970, 4.1 KB, nvme, serial S466NX0M');
  disks[0] = { ...LOCAL, generation: '2' };
  assert.notEqual((await catalog.open('sda'))?.identity, plain?.identity);
});

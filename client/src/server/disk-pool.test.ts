import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import type { LocalDisk } from '../disks/local-disk.ts';
import { DiskPool } from './disk-pool.ts';

const LOCAL: LocalDisk = {
  info: {
    name: 'sda',
    size: 512,
    sectorSize: { logical: 512, physical: 512 },
    transport: 'file',
    removable: false,
    readOnly: false,
  },
  path: '/dev/sda',
  kind: 'file',
  generation: '1',
};

/** A pool over memory disks that writes down what is opened and closed. */
function recordingPool(): { pool: DiskPool; log: string[]; letClose: () => void } {
  const log: string[] = [];
  const { promise: mayClose, resolve: letClose } = Promise.withResolvers<void>();
  const pool = new DiskPool(async ({ path, generation }): Promise<Disk> => {
    log.push(`open ${path} ${generation}`);
    const disk = new MemoryDisk(Buffer.alloc(512, Number(generation)));
    disk.close = async () => {
      await mayClose;
      log.push(`close ${path} ${generation}`);
    };
    return disk;
  });
  return { pool, log, letClose };
}

test('a disk is opened once for all its users and closed after the last', async () => {
  const { pool, log, letClose } = recordingPool();
  letClose();
  const users = await Promise.all([pool.borrow(LOCAL), pool.borrow(LOCAL)]);
  await users[0]?.close();
  await users[0]?.close();
  assert.deepEqual(log, ['open /dev/sda 1']);
  await users[1]?.read(0, Buffer.alloc(512));
  await users[1]?.close();
  assert.deepEqual(log, ['open /dev/sda 1', 'close /dev/sda 1']);
});

test('a disk is not opened again before it is closed', async () => {
  const { pool, log, letClose } = recordingPool();
  const first = await pool.borrow(LOCAL);
  const closing = first.close();
  const second = pool.borrow(LOCAL);
  letClose();
  await closing;
  await (await second).close();
  assert.deepEqual(log, ['open /dev/sda 1', 'close /dev/sda 1', 'open /dev/sda 1', 'close /dev/sda 1']);
});

test('a disk under the name of an unplugged one is another disk', async () => {
  const { pool } = recordingPool();
  const [old, next] = [await pool.borrow(LOCAL), await pool.borrow({ ...LOCAL, generation: '2' })];
  const [oldBytes, nextBytes] = [Buffer.alloc(1), Buffer.alloc(1)];
  await old.read(0, oldBytes);
  await next.read(0, nextBytes);
  assert.deepEqual([...oldBytes, ...nextBytes], [1, 2]);
});

test('a disk that cannot be opened is tried again for the next user', async () => {
  let attempts = 0;
  const pool = new DiskPool(async () => {
    attempts++;
    if (attempts === 1) throw new Error('not ready');
    return new MemoryDisk(Buffer.alloc(512));
  });
  await assert.rejects(pool.borrow(LOCAL), /not ready/);
  await (await pool.borrow(LOCAL)).close();
  assert.equal(attempts, 2);
});

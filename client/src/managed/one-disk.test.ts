import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { oneDisk } from './one-disk.ts';

const opened: string[] = [];
const CATALOG = {
  list: async () => ['sda', 'sdb'].map((name) => ({ name, description: name.toUpperCase() })),
  open: async (name: string) => {
    opened.push(name);
    return new MemoryDisk(Buffer.alloc(512));
  },
};

test('of a catalog for one disk the others cannot be seen nor opened', async () => {
  const catalog = oneDisk(CATALOG, 'sdb');
  assert.deepEqual(await catalog.list(), [{ name: 'sdb', description: 'SDB' }]);
  assert.equal(await catalog.open('sda'), undefined);
  assert.equal(await catalog.open('sda;grant=x'), undefined);
  assert.deepEqual(opened, []);
  await catalog.open('sdb');
  assert.deepEqual(opened.splice(0), ['sdb']);
});

test('a granted export is reached by the plain name of its disk', async () => {
  const catalog = oneDisk(CATALOG, 'sda;grant=token');
  assert.deepEqual(await catalog.list(), [{ name: 'sda', description: 'SDA' }]);
  await catalog.open('sda');
  assert.deepEqual(opened.splice(0), ['sda;grant=token']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { countDisk } from './counting-disk.ts';

test('bytes read and written are counted, failed ones are not', async () => {
  const below = new MemoryDisk(new Uint8Array(8192));
  const disk = countDisk(below);
  await disk.read(0, new Uint8Array(512));
  await disk.write(0, new Uint8Array(1024));
  below.read = () => Promise.reject(new Error('bad sector'));
  await assert.rejects(disk.read(0, new Uint8Array(4096)));
  assert.deepEqual([disk.bytesRead, disk.bytesWritten], [512, 1024]);
  assert.equal(disk.firstFailure, undefined);
});

test('the first change that failed is remembered', async () => {
  const disk = countDisk(new MemoryDisk(new Uint8Array(8192), { readOnly: true }));
  await assert.rejects(disk.writeZeroes(0, 512));
  assert.match(String(disk.firstFailure), /read-only/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { countDisk } from './counting-disk.ts';

test('bytes read and written are counted, failed ones are not', async () => {
  const below = new MemoryDisk(new Uint8Array(8192));
  const failures: Error[] = [];
  const disk = countDisk(below, { onFailure: (error) => failures.push(error) });
  await disk.read(0, new Uint8Array(512));
  await disk.write(0, new Uint8Array(1024));
  below.read = () => Promise.reject(new Error('bad sector'));
  await assert.rejects(disk.read(0, new Uint8Array(4096)));
  assert.deepEqual([disk.bytesRead, disk.bytesWritten], [512, 1024]);
  assert.deepEqual(failures, []);
});

test('changes that failed are reported, those that are not offered are not', async () => {
  const below = new MemoryDisk(new Uint8Array(8192), { readOnly: true });
  const failures: Error[] = [];
  const disk = countDisk(below, { onFailure: (error) => failures.push(error) });
  await assert.rejects(disk.write(0, new Uint8Array(512)));
  below.writeZeroes = () => Promise.reject(new DiskError('EOPNOTSUPP', 'cannot zero'));
  await assert.rejects(disk.writeZeroes(0, 512));
  assert.deepEqual(failures.map(String), ['DiskError: the memory disk is read-only']);
});

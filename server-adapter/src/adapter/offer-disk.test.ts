import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { withSectorSize } from '../disk/sector-view.ts';
import { offerDisk } from './offer-disk.ts';

test('a disk offered on a socket is one NBD export of any name, ends with its connection and stays open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-test-'));
  const socketPath = join(folder, 'socket');
  const memory = new MemoryDisk(new Uint8Array(64 * 1024), { sectorSize: { logical: 4096, physical: 4096 } });
  let closed = false;
  const disk = withSectorSize(memory, memory.sectorSize);
  disk.close = async () => {
    closed = true;
  };
  const offered = await offerDisk(disk, { kind: 'socket', socketPath }, new AbortController().signal);

  const kernel = await connectNbd({ transport: 'unix', socketPath, exportName: '' });
  assert.equal(kernel.size, memory.size);
  assert.deepEqual(kernel.sectorSize, { logical: 4096, physical: 4096 });
  await kernel.write(4096, new Uint8Array(4096).fill(7));
  await kernel.flush();
  await kernel.writeZeroes(4096, 4096, { mayPunch: true });
  const read = new Uint8Array(4096).fill(1);
  await kernel.read(4096, read);
  assert.ok(read.every((byte) => byte === 0));
  await kernel.close();
  await offered.ended;
  assert.equal(closed, false);
  await assert.rejects(connectNbd({ transport: 'unix', socketPath, exportName: '' }), {
    code: 'NBD_UNREACHABLE',
  });
  await rm(folder, { recursive: true });
});

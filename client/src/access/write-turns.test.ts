import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { grantedDisk } from './granted-disk.ts';
import { Grants } from './grants.ts';
import type { Peer } from './peer.ts';
import { WriteTurns } from './write-turns.ts';

const isOver = { errno: 'ESHUTDOWN' };

test('changes of an earlier turn are refused as soon as a later one begins', async () => {
  const turns = new WriteTurns();
  const done: string[] = [];
  const change = (name: string) => async (): Promise<void> => {
    done.push(name);
  };
  await turns.begin(1);
  await turns.run(1, change('first'));
  await turns.begin(2);
  await assert.rejects(turns.run(1, change('stale')), isOver);
  await turns.run(2, change('second'));
  await turns.begin(1);
  await turns.run(2, change('third'));
  assert.deepEqual(done, ['first', 'second', 'third']);
});

test('a turn begins when the changes of earlier ones have ended, well or badly', async () => {
  const turns = new WriteTurns();
  await turns.begin(1);
  const [good, bad] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = turns.run(1, () => good.promise);
  const second = assert.rejects(
    turns.run(1, () => bad.promise),
    /unreadable/,
  );
  let hasBegun = false;
  const beginning = turns.begin(2).finally(() => {
    hasBegun = true;
  });
  good.resolve();
  await first;
  assert.equal(hasBegun, false);
  bad.reject(new Error('unreadable'));
  await second;
  await beginning;
  assert.equal(hasBegun, true);
});

test('a write that was held up on a lost connection does not undo a later one', async () => {
  const peer: Peer = { id: 'a', name: '10.0.0.2' };
  const request = { disk: 'sda', generation: '1', job: 'deploy-7', description: 'web.qcow2' };
  const grants = new Grants();
  const served = new MemoryDisk(new Uint8Array(512));
  const open = async (): Promise<ReturnType<typeof grantedDisk>> => {
    const { exportName } = grants.give(peer, {}, request);
    const found = grants.find(peer, exportName);
    assert.ok(found !== undefined);
    await found.begin();
    return grantedDisk(served, found);
  };
  const lost = await open();
  const back = await open();
  // The write is sent again over the new connection, and then another to the same place.
  await back.write(0, Buffer.alloc(512, 1));
  await back.write(0, Buffer.alloc(512, 2));
  await assert.rejects(lost.write(0, Buffer.alloc(512, 1)), isOver);
  await assert.rejects(lost.writeZeroes(0, 512), isOver);
  await assert.rejects(lost.discard(0, 512), isOver);
  assert.equal(served.bytes[0], 2);
  await lost.read(0, Buffer.alloc(512));
});

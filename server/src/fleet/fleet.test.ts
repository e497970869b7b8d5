import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openSqlite } from '../database/testing/each-database.ts';
import { EventLog } from '../events/event-log.ts';
import { JobStore } from '../jobs/job-store.ts';
import { Registry } from '../registry/registry.ts';
import type { Computer } from '../serve/computers.ts';
import { inventoryOf } from '../serve/testing/scripted-client.ts';
import { Fleet, linkOf } from './fleet.ts';

test('computers of one network have one link', () => {
  assert.equal(linkOf('192.0.2.7'), '192.0.2.0/24');
  assert.equal(linkOf('192.0.2.7'), linkOf('192.0.2.250'));
  assert.notEqual(linkOf('192.0.2.7'), linkOf('192.0.3.7'));
  assert.equal(linkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(linkOf('2001:db8::1'), '2001:db8::/64');
  assert.equal(linkOf(undefined), undefined);
  assert.equal(linkOf('unknown'), undefined);
});

/** A deployed computer that dials in while a job of it is there. @returns whether it was sent to its own disk */
async function isSentAway(
  t: TestContext,
  job: { readonly startAfter?: string } | undefined,
): Promise<boolean> {
  const database = await openSqlite(t);
  const [events, store] = [new EventLog(database), new JobStore(database)];
  const registry = await Registry.open(database, events);
  const inventory = inventoryOf('SN123456', 'sda');
  const { computer } = await registry.seen({ inventory, via: 'test' });
  await registry.register(computer.id, { name: 'pc1' }, 'test');
  await registry.changeState('pc1', { cause: 'adopted', actor: 'test' });
  if (job !== undefined) {
    await store.add({ kind: 'capture', spec: {}, createdBy: 'me', computerId: computer.id, ...job });
  }
  const asked: string[] = [];
  const link = {
    signal: new AbortController().signal,
    ended: Promise.resolve('it left'),
    ask: async ({ type }: { readonly type: string }) => void asked.push(type),
  };
  const fleet = new Fleet({ registry, events, isWanted: (id) => store.isDueFor(id), log: () => {} });
  const client = {
    name: 'pc1',
    fingerprint: 'ab',
    enrolment: { name: 'lab' },
    address: '192.0.2.7',
    inventory,
    link,
  };
  await fleet.attend(client as unknown as Computer);
  return asked.includes('leave');
}

test('a deployed computer that dials in stays for a job that waits for its turn, and not for one that has time', async (t) => {
  assert.equal(await isSentAway(t, undefined), true);
  assert.equal(await isSentAway(t, {}), false);
  assert.equal(await isSentAway(t, { startAfter: '2020-01-01T00:00:00.000Z' }), false);
  assert.equal(await isSentAway(t, { startAfter: '2999-01-01T00:00:00.000Z' }), true);
});

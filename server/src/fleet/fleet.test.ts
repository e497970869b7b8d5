import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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

/** How long a computer is given that may leave, or stay, in ms of the clock of the test. */
const MOMENT_MS = 60_000;

/** A deployed computer, and its server. */
async function deployedComputer(t: TestContext) {
  const database = await openSqlite(t);
  const [events, store] = [new EventLog(database), new JobStore(database)];
  const registry = await Registry.open(database, events);
  const inventory = inventoryOf('SN123456', 'sda');
  const { computer } = await registry.seen({ inventory, via: 'test' });
  await registry.register(computer.id, { name: 'pc1' }, 'test');
  await registry.changeState('pc1', { cause: 'adopted', actor: 'test' });
  const fleet = new Fleet({ registry, events, isWanted: (id) => store.isDueFor(id), log: () => {} });
  const [left, gone] = [Promise.withResolvers<'left'>(), Promise.withResolvers<string>()];
  t.after(() => gone.resolve('the test is over'));
  const link = {
    signal: new AbortController().signal,
    ended: gone.promise,
    ask: async ({ type }: { readonly type: string }) => {
      assert.equal(type, 'leave');
      left.resolve('left');
      gone.resolve('it left');
    },
  };
  const client = {
    name: 'pc1',
    fingerprint: 'ab',
    enrolment: { name: 'lab' },
    address: '192.0.2.7',
    inventory,
    link,
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  return {
    store,
    fleet,
    id: computer.id,
    addJob: (changes: { readonly startAfter?: string } = {}) =>
      store.add({ kind: 'capture', spec: {}, createdBy: 'me', computerId: computer.id, ...changes }),
    dialIn: () => void fleet.attend(client as unknown as Computer),
    /** Whether it is sent to its own disk before a while has passed. */
    leaves: async () => {
      for (let passed = 0; passed < MOMENT_MS; passed += 1000) {
        // What the server asks its database meanwhile takes no time of that clock.
        for (let turn = 0; turn < 20; turn++) await setImmediate();
        t.mock.timers.tick(1000);
      }
      return (await Promise.race([left.promise, setImmediate()])) === 'left';
    },
  };
}

for (const [what, job, isSentAway] of [
  ['without a job', undefined, true],
  ['with a job that waits for its turn', {}, false],
  ['with a job whose time has come', { startAfter: '2020-01-01T00:00:00.000Z' }, false],
  ['with a job that has time', { startAfter: '2999-01-01T00:00:00.000Z' }, true],
] as const) {
  test(`a deployed computer ${what} that dials in ${isSentAway ? 'is sent to its disk' : 'stays'}`, async (t) => {
    const computer = await deployedComputer(t);
    if (job !== undefined) await computer.addJob(job);
    computer.dialIn();
    assert.equal(await computer.leaves(), isSentAway);
  });
}

test('a computer that stays for a job leaves when the job does not come', async (t) => {
  const computer = await deployedComputer(t);
  const { id } = await computer.addJob();
  computer.dialIn();
  assert.equal(await computer.leaves(), false);
  await computer.store.demand(id, 'cancel');
  assert.equal(await computer.leaves(), true);
});

test('a computer stays where it is after a job that has begun with it, whatever its state is then', async (t) => {
  const computer = await deployedComputer(t);
  const { id } = await computer.addJob();
  computer.dialIn();
  assert.equal(await computer.leaves(), false);
  await computer.store.demand(id, 'start', { attempt: 1 });
  assert.equal(await computer.leaves(), false);
  computer.fleet.claim(computer.id);
  await computer.store.demand(id, 'succeed');
  assert.equal(await computer.leaves(), false);
});

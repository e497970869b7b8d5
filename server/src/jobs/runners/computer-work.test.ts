import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openSqlite } from '../../database/testing/each-database.ts';
import { EventLog } from '../../events/event-log.ts';
import { Fleet } from '../../fleet/fleet.ts';
import { Registry } from '../../registry/registry.ts';
import { inventoryOf } from '../../serve/testing/scripted-client.ts';
import type { Job } from '../job.ts';
import { actorOf, releaseComputer, withComputer } from './computer-work.ts';

const CANCELLED = new Error('it was cancelled');

interface Place {
  readonly registry: Registry;
  readonly events: EventLog;
  readonly job: Job;
  readonly stateNow: () => Promise<string>;
}

/** A registered computer that is not connected, and a deploy job for it. */
async function placeWith(t: TestContext, state: 'dormant' | 'deployed'): Promise<Place> {
  const database = await openSqlite(t);
  const events = new EventLog(database);
  const registry = await Registry.open(database, events);
  const { computer } = await registry.seen({ inventory: inventoryOf('SN123456', 'sda'), via: 'test' });
  await registry.register(computer.id, { name: 'pc1' }, 'test');
  if (state === 'deployed') await registry.changeState('pc1', { cause: 'adopted', actor: 'test' });
  const job: Job = {
    id: '01900000-0000-7000-8000-000000000001',
    kind: 'deploy',
    state: 'running',
    priority: 0,
    spec: {},
    computerId: computer.id,
    createdBy: 'test',
    createdAt: '2026-01-01T00:00:00.000Z',
    attempt: 1,
    maxAttempts: 3,
    progress: { doneBytes: 0, totalBytes: 0 },
  };
  return { registry, events, job, stateNow: async () => (await registry.get('pc1')).state };
}

for (const state of ['deployed', 'dormant'] as const) {
  test(`a computer that is ${state} is so again when the job that waits for it is cancelled`, async (t) => {
    const { registry, events, job, stateNow } = await placeWith(t, state);
    const cancelled = new AbortController();
    const work = {
      job,
      signal: cancelled.signal,
      onProgress: () => cancelled.abort(CANCELLED),
      log: () => {},
    };
    const place = {
      registry,
      fleet: new Fleet({ registry, events, isWanted: async () => false, log: () => {} }),
      runFolder: '/nowhere',
    };
    const wanted = {
      computerId: job.computerId ?? '',
      afterwards: 'local-disk',
      hasSystem: (had: boolean, succeeded: boolean) => had || succeeded,
    } as const;
    await assert.rejects(
      withComputer(place, work, wanted, () => assert.fail('it is not connected')),
      CANCELLED,
    );
    assert.equal(await stateNow(), state);
  });

  test(`a computer that was ${state} is so again after its server died before the disk was written`, async (t) => {
    const { registry, job, stateNow } = await placeWith(t, state);
    await registry.changeState('pc1', { cause: 'called', actor: actorOf(job) });
    await releaseComputer({ registry }, job);
    assert.equal(await stateNow(), state);
  });
}

test('a computer whose disk may have been written as its server died has no system any more', async (t) => {
  const { registry, job, stateNow } = await placeWith(t, 'deployed');
  await registry.changeState('pc1', { cause: 'called', actor: actorOf(job) });
  await registry.noteDiskWork('pc1', { actor: actorOf(job), message: 'Its disk may be written.' });
  await releaseComputer({ registry }, job);
  assert.equal(await stateNow(), 'dormant');
});

test('what a former attempt has written does not count for one that has written nothing', async (t) => {
  const { registry, job, stateNow } = await placeWith(t, 'deployed');
  const actor = actorOf(job);
  await registry.changeState('pc1', { cause: 'called', actor });
  await registry.noteDiskWork('pc1', { actor, message: 'Its disk may be written.' });
  await registry.changeState('pc1', { cause: 'released', actor });
  await registry.changeState('pc1', { cause: 'called', actor });
  await releaseComputer({ registry }, job);
  assert.equal(await stateNow(), 'deployed');
});

test('a computer that somebody else has called is left to him', async (t) => {
  const { registry, job, stateNow } = await placeWith(t, 'deployed');
  await releaseComputer({ registry }, job);
  assert.equal(await stateNow(), 'deployed');
  await registry.changeState('pc1', { cause: 'called', actor: 'user anna' });
  await releaseComputer({ registry }, job);
  assert.equal(await stateNow(), 'transitioning');
});

test('what an administrator says of a computer while a job has it counts', async (t) => {
  const { registry, events, job, stateNow } = await placeWith(t, 'deployed');
  const cancelled = new AbortController();
  const lines: string[] = [];
  const work = {
    job,
    signal: cancelled.signal,
    onProgress: () => {
      void registry
        .changeState('pc1', { cause: 'set-aside', actor: 'user anna' })
        .then(() => cancelled.abort(CANCELLED));
    },
    log: (line: string) => lines.push(line),
  };
  const place = {
    registry,
    fleet: new Fleet({ registry, events, isWanted: async () => false, log: () => {} }),
    runFolder: '/nowhere',
  };
  const wanted = { computerId: job.computerId ?? '', afterwards: 'standby', hasSystem: () => true } as const;
  await assert.rejects(
    withComputer(place, work, wanted, () => assert.fail('it is not connected')),
    CANCELLED,
  );
  assert.equal(await stateNow(), 'dormant');
  assert.match(lines.join('\n'), /pc1 is dormant and cannot be released/);
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError } from '@diskferry/system/errors';
import { type Database, openDatabase } from '../database/database.ts';
import { openSqlite } from '../database/testing/each-database.ts';
import { type PostgresServer, startPostgres } from '../database/testing/postgres-server.ts';
import { EventLog } from '../events/event-log.ts';
import type { Job, NewJob } from './job.ts';
import {
  JobEngine,
  type JobEngineOptions,
  type JobFacts,
  type JobRunner,
  type JobWork,
} from './job-engine.ts';
import type { JobQueue, QueueLimits } from './job-queue.ts';
import { jobEnvironment } from './job-processes.ts';
import { hasEnded } from './job-states.ts';
import { JobStore } from './job-store.ts';
import { LocalQueue } from './local-queue.ts';
import { SharedQueue } from './shared-queue.ts';
import type { JobRow } from './tables.ts';

const DEADLINE_MS = 60_000;

interface Place {
  readonly database: Database;
  readonly newQueue: (limits: QueueLimits) => JobQueue;
}

/** Longer than pg-boss takes for a round of its queue, in ms. */
const ROUNDS_MS = 3_000;

let postgres: PostgresServer;
const PLACES: Readonly<Record<string, (t: TestContext) => Promise<Place>>> = {
  'SQLite with a queue in memory': async (t) => ({
    database: await openSqlite(t),
    newQueue: (limits) => new LocalQueue(limits),
  }),
  'PostgreSQL with pg-boss': async (t) => {
    const url = await postgres.createDatabase();
    const database = await openDatabase(url);
    t.after(() => database.destroy());
    return { database, newQueue: (limits) => new SharedQueue(url, limits, () => {}) };
  },
};

before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.destroy());

/** Work that ends when the test says so, and notes what runs at the same time. */
class TestRunner implements JobRunner {
  readonly works: JobWork[] = [];
  readonly recovered: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<Record<string, unknown>>>();

  async check({ bad, link }: Readonly<Record<string, unknown>>): Promise<JobFacts> {
    if (bad === true) throw new DiskferryError('BAD_SPEC', 'this cannot be done');
    return typeof link === 'string' ? { link } : {};
  }

  run(work: JobWork): Promise<Record<string, unknown>> {
    this.works.push(work);
    const end = Promise.withResolvers<Record<string, unknown>>();
    this.#ends.set(work.job.id, end);
    work.signal.addEventListener('abort', () => end.reject(work.signal.reason as Error));
    return end.promise;
  }

  async recover({ id }: Job): Promise<void> {
    this.recovered.push(id);
  }

  end(id: string): PromiseWithResolvers<Record<string, unknown>> {
    const end = this.#ends.get(id);
    assert.ok(end, `the job ${id} was begun`);
    this.#ends.delete(id);
    return end;
  }

  get begun(): string[] {
    return this.works.map(({ job }) => String(job.spec['name']));
  }
}

interface Server {
  readonly engine: JobEngine;
  readonly runner: TestRunner;
  readonly store: JobStore;
  readonly events: EventLog;
}

async function startServer(
  t: TestContext,
  { database, newQueue }: Place,
  {
    limits = { atOnce: 1, atOncePerLink: 1 },
    ...more
  }: Partial<JobEngineOptions> & { limits?: QueueLimits } = {},
): Promise<Server> {
  const [store, events, runner] = [new JobStore(database), new EventLog(database), new TestRunner()];
  const engine = new JobEngine({
    store,
    events,
    queue: newQueue(limits),
    runners: { work: runner },
    serverId: 'one',
    host: 'test',
    log: () => {},
    ...more,
  });
  await engine.start();
  t.after(() => engine.stop());
  return { engine, runner, store, events };
}

function job(name: string, more: Partial<NewJob> = {}): NewJob {
  return { kind: 'work', spec: { name }, createdBy: 'me', ...more };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + DEADLINE_MS; !(await condition()); await sleep(20)) {
    assert.ok(Date.now() < deadline, `it did not happen within ${DEADLINE_MS / 1000} s`);
  }
}

const whenEnded = (store: JobStore, id: string): Promise<void> =>
  until(async () => hasEnded((await store.get(id)).state));

for (const [name, openPlace] of Object.entries(PLACES)) {
  describe(`jobs on ${name}`, () => {
    test('the urgent ones come first, one at a time; progress, log, result and events are kept', async (t) => {
      const place = await openPlace(t);
      const { engine, runner, store, events } = await startServer(t, place);
      const first = await engine.submit(job('first'));
      await until(() => runner.works.length === 1);
      const low = await engine.submit(job('low', { priority: -1 }));
      const high = await engine.submit(job('high', { priority: 5, computerId: 'c1' }));
      const [work] = runner.works;
      work?.onProgress({ step: 'copy files', doneBytes: 2 ** 40, totalBytes: 2 ** 41 });
      work?.log('a line');
      await until(async () => (await store.get(first.id)).doneBytes === 2 ** 40);
      const [shown] = await store.list({ states: ['running'] });
      assert.equal(shown?.progress.step, 'copy files');
      assert.equal(typeof shown?.progress.secondsLeft, 'number');
      runner.end(first.id).resolve({ image: 'x' });
      await until(() => runner.works.length === 2);
      runner.end(high.id).resolve({});
      await until(() => runner.works.length === 3);
      runner.end(low.id).reject(new DiskferryError('DISK_GONE', 'the disk is gone'));
      await whenEnded(store, low.id);
      assert.deepEqual(runner.begun, ['first', 'high', 'low']);
      const [highNow, lowNow, firstNow] = await store.list();
      assert.deepEqual([firstNow?.state, firstNow?.result], ['succeeded', { image: 'x' }]);
      assert.equal(highNow?.computerId, 'c1');
      assert.deepEqual(lowNow?.error, { code: 'DISK_GONE', message: 'the disk is gone' });
      const lines = (await store.readLog(first.id)).map(({ line }) => line);
      assert.deepEqual(lines, ['copy files', 'a line']);
      // An end is told when it has been written down.
      await until(async () => (await events.list({ subjectId: low.id })).length === 3);
      const told = (await events.list({ subjectId: low.id })).map(({ kind, severity }) => [kind, severity]);
      assert.deepEqual(told, [
        ['job.queued', 'info'],
        ['job.started', 'info'],
        ['job.failed', 'alert'],
      ]);
      const again = await engine.retry(low.id);
      assert.equal(again.error, undefined);
      await until(() => runner.works.length === 4);
      runner.end(low.id).resolve({});
      await whenEnded(store, low.id);
      assert.equal((await store.get(low.id)).state, 'succeeded');
    });

    test('so many run at once as the server and each link allow', async (t) => {
      const { engine, runner, store } = await startServer(t, await openPlace(t), {
        limits: { atOnce: 3, atOncePerLink: 2 },
      });
      for (const link of ['a', 'a', 'a', 'b', 'b'])
        await engine.submit({ kind: 'work', spec: { name: link, link }, createdBy: 'me' });
      await until(() => runner.works.length === 3);
      // Time enough for a fourth one to come, if it did.
      await sleep(ROUNDS_MS);
      assert.deepEqual(runner.begun.toSorted(), ['a', 'a', 'b']);
      while (runner.works.length < 5) {
        const open = (await store.inState('running'))[0]?.id ?? '';
        runner.end(open).resolve({});
        const count = runner.works.length;
        await until(() => runner.works.length > count);
      }
      assert.deepEqual(runner.begun.toSorted(), ['a', 'a', 'a', 'b', 'b']);
    });

    test('of jobs that are begun at the same moment, so many begin as their link has places', async (t) => {
      const store = new JobStore((await openPlace(t)).database);
      const jobs = await Promise.all(
        ['a', 'b', 'c', 'd', 'e'].map((name) => store.add(job(name, { link: 'l' }))),
      );
      const begun = await Promise.all(jobs.map(({ id }) => store.start(id, {}, 2)));
      assert.equal(begun.filter((row) => row === 'busy').length, 3);
      assert.equal((await store.inState('running')).length, 2);
    });

    test('two jobs of one computer run one after the other', async (t) => {
      const { engine, runner, store } = await startServer(t, await openPlace(t), {
        limits: { atOnce: 3, atOncePerLink: 3 },
      });
      const first = await engine.submit(job('first', { computerId: 'c1' }));
      await until(() => runner.works.length === 1);
      await engine.submit(job('second', { computerId: 'c1' }));
      await engine.submit(job('elsewhere', { computerId: 'c2' }));
      await until(() => runner.works.length === 2);
      await sleep(ROUNDS_MS);
      assert.deepEqual(runner.begun, ['first', 'elsewhere']);
      runner.end(first.id).resolve({});
      await until(() => runner.works.length === 3);
      assert.deepEqual(runner.begun, ['first', 'elsewhere', 'second']);
      assert.equal((await store.inState('running')).length, 2);
    });

    test('what waits can be paused, resumed and cancelled; what runs is ended first; what cannot be is said', async (t) => {
      const { engine, runner, store } = await startServer(t, await openPlace(t));
      const running = await engine.submit(job('running'));
      await until(() => runner.works.length === 1);
      const paused = await engine.submit(job('paused'));
      const cancelled = await engine.submit(job('cancelled'));
      assert.equal((await engine.pause(paused.id)).state, 'paused');
      assert.equal((await engine.cancel(cancelled.id)).state, 'cancelled');
      await assert.rejects(engine.pause(running.id), {
        code: 'STATE',
        message: /pause is not possible: the job \S+ is running; possible now: cancel$/,
      });
      await assert.rejects(engine.resume(cancelled.id), { code: 'STATE', message: /possible now: retry$/ });
      await assert.rejects(engine.cancel('nobody'), { code: 'JOB_MISSING' });
      await engine.cancel(running.id);
      await whenEnded(store, running.id);
      assert.equal((await store.get(running.id)).state, 'cancelled');
      await engine.resume(paused.id);
      await until(() => runner.works.length === 2);
      assert.deepEqual(runner.begun, ['running', 'paused']);
    });

    test('a job with a time waits for it', async (t) => {
      const { engine, runner } = await startServer(t, await openPlace(t));
      const startAfter = new Date(Date.now() + 2_500).toISOString();
      await engine.submit(job('later', { startAfter }));
      await until(() => runner.works.length === 1);
      assert.ok(Date.now() >= Date.parse(startAfter));
    });

    test('what nobody can do is refused before it waits', async (t) => {
      const { engine, store } = await startServer(t, await openPlace(t));
      const other = engine.submit({ kind: 'other', spec: {}, createdBy: 'me' });
      await assert.rejects(other, { code: 'JOB_KIND', message: /there are: work/ });
      const bad = engine.submit({ kind: 'work', spec: { bad: true }, createdBy: 'me' });
      await assert.rejects(bad, { code: 'BAD_SPEC' });
      assert.deepEqual(await store.list(), []);
    });

    test('a job that is wanted again while its end is still being told is begun again', async (t) => {
      const place = await openPlace(t);
      const { promise: told, resolve: tell } = Promise.withResolvers<void>();
      t.after(() => tell());
      class SlowStore extends JobStore {
        override async log(id: string, line: string): Promise<void> {
          await super.log(id, line);
          if (line.startsWith('failed: ')) await told;
        }
      }
      const store = new SlowStore(place.database);
      const limits = { atOnce: 2, atOncePerLink: 2 };
      const { engine, runner } = await startServer(t, place, { limits, store });
      const { id } = await engine.submit(job('again'));
      await until(() => runner.works.length === 1);
      runner.end(id).reject(new DiskferryError('DISK_GONE', 'the disk is gone'));
      await whenEnded(store, id);
      await engine.retry(id);
      // Time enough for the queue to hand it out.
      await sleep(ROUNDS_MS);
      tell();
      await until(() => runner.works.length === 2);
      runner.end(id).resolve({});
      await until(async () => (await store.get(id)).state === 'succeeded');
    });

    test('a server that ends goes on with its jobs when it starts again', async (t) => {
      const place = await openPlace(t);
      const first = await startServer(t, place);
      const { id } = await first.engine.submit(job('long'));
      await until(() => first.runner.works.length === 1);
      await first.engine.stop();
      assert.equal((await first.store.get(id)).state, 'queued');
      const second = await startServer(t, place);
      await until(() => second.runner.works.length === 1);
      second.runner.end(id).resolve({});
      await whenEnded(second.store, id);
      assert.deepEqual(
        [(await second.store.get(id)).state, (await second.store.get(id)).attempt],
        ['succeeded', 1],
      );
    });

    test('a server that was killed recovers its jobs, and gives them up after so many times', async (t) => {
      const place = await openPlace(t);
      const store = new JobStore(place.database);
      const dead = { serverId: 'one', attempt: 1 };
      const [hopeful, hopeless, unwanted] = [
        await store.add(job('hopeful', { maxAttempts: 2 })),
        await store.add(job('hopeless', { maxAttempts: 1 })),
        await store.add(job('unwanted')),
      ];
      for (const { id } of [hopeful, hopeless, unwanted]) await store.change(id, 'start', dead);
      await store.update(unwanted.id, { cancelRequested: 1 });
      const { runner } = await startServer(t, place);
      await until(() => runner.works.length === 1);
      assert.deepEqual(runner.begun, ['hopeful']);
      assert.deepEqual(runner.recovered, [hopeful.id, hopeless.id, unwanted.id]);
      assert.equal((await store.get(hopeful.id)).attempt, 2);
      const { state, errorCode } = await store.get(hopeless.id);
      assert.deepEqual([state, errorCode], ['failed', 'SERVER_DIED']);
      assert.equal((await store.get(unwanted.id)).state, 'cancelled');
    });
  });
}

test('a server that waits for the end of what its predecessor began says that it lives, and can be ended', async (t) => {
  const database = await openSqlite(t);
  const [store, events] = [new JobStore(database), new EventLog(database)];
  const { id } = await store.add(job('left'));
  await store.start(id, { serverId: 'one' }, 1);
  const left = spawn('sleep', ['600'], { env: { ...process.env, ...jobEnvironment(id) }, stdio: 'ignore' });
  t.after(() => left.kill('SIGKILL'));
  const engine = new JobEngine({
    store,
    events,
    queue: new LocalQueue({ atOnce: 1, atOncePerLink: 1 }),
    runners: { work: new TestRunner() },
    serverId: 'one',
    host: 'test',
    log: () => {},
  });
  const starting = assert.rejects(engine.start(), { name: 'AbortError' });
  const signs = new Set<string>();
  await until(async () => {
    for (const { seenAt } of await database.selectFrom('servers').selectAll().execute()) signs.add(seenAt);
    return signs.size > 2;
  });
  assert.equal((await store.get(id)).state, 'running');
  await engine.stop();
  await starting;
  assert.deepEqual([(await store.get(id)).state, left.exitCode], ['running', null]);
});

test('a job of a dead server that another one has begun again is left to it', async (t) => {
  const database = await openSqlite(t);
  const place = { database, newQueue: (limits: QueueLimits) => new LocalQueue(limits) };
  const store = new JobStore(database);
  const left = await store.add(job('left'));
  await leaveToTheDead(database, left.id);
  const { promise: found, resolve: find } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  t.after(() => begin());
  /** Finds the job at the same moment as the other server, and goes on when that one has begun it. */
  class LateStore extends JobStore {
    override async abandonedSince(time: string): Promise<JobRow[]> {
      const rows = await super.abandonedSince(time);
      if (rows.length > 0) {
        find();
        await begun;
      }
      return rows;
    }
  }
  const late = await startServer(t, place, { serverId: 'late', store: new LateStore(database) });
  await found;
  const { runner } = await startServer(t, place);
  await until(() => runner.works.length === 1);
  begin();
  // Time enough for it to take the job away, if it did.
  await sleep(ROUNDS_MS);
  const { state, serverId, attempt } = await store.get(left.id);
  assert.deepEqual([state, serverId, attempt], ['running', 'one', 2]);
  assert.deepEqual([late.runner.recovered, late.runner.begun], [[], []]);
});

/** What a server has left that died long ago. */
async function leaveToTheDead(database: Database, id: string): Promise<void> {
  const store = new JobStore(database);
  await store.seen('dead', 'elsewhere');
  await database
    .updateTable('servers')
    .set({ seenAt: '2020-01-01T00:00:00.000Z' })
    .where('id', '=', 'dead')
    .execute();
  await store.change(id, 'start', { serverId: 'dead', attempt: 1 });
}

test('servers that share a queue do each job once, and take over from one that died', async (t) => {
  const place = await (PLACES['PostgreSQL with pg-boss'] as (t: TestContext) => Promise<Place>)(t);
  const limits = { atOnce: 2, atOncePerLink: 2 };
  const store = new JobStore(place.database);
  const left = await store.add(job('left by the dead'));
  await leaveToTheDead(place.database, left.id);
  const start = (serverId: string): Promise<Server> => startServer(t, place, { limits, serverId });
  const [one, two] = await Promise.all([start('one'), start('two')]);
  const servers = [one, two];
  const names = Array.from({ length: 12 }, (_, index) => `job ${index}`);
  for (const name of names) await one.engine.submit(job(name));
  const begun = (): string[] => servers.flatMap(({ runner }) => runner.begun);
  await until(async () => {
    for (const { runner } of servers) {
      for (const { job: running } of runner.works) {
        if ((await store.get(running.id)).state === 'running') runner.end(running.id).resolve({});
        await until(async () => hasEnded((await store.get(running.id)).state));
      }
    }
    return begun().length === 13;
  });
  assert.deepEqual(begun().toSorted(), ['left by the dead', ...names].toSorted());
  // A running job is cancelled through another server than the one that runs it.
  const { id } = await one.engine.submit(job('unwanted'));
  await until(async () => (await store.get(id)).state === 'running');
  const runsIt = (await store.get(id)).serverId;
  await (runsIt === 'one' ? two : one).engine.cancel(id);
  await whenEnded(store, id);
  assert.equal((await store.get(id)).state, 'cancelled');
});

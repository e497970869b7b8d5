import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '@diskferry/system/errors';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import type { NewJob } from './job.ts';
import { Schedules } from './schedules.ts';

/** Half a year from now: no time of it passes while the tests run. */
const FAR_MONTH = ((new Date().getUTCMonth() + 6) % 12) + 1;
const JOB = { kind: 'capture', spec: { computer: 'pc1', image: 'nightly' } };

describeOnEachDatabase('schedules', (open) => {
  test('what is due is submitted once, whichever of two servers looks, and not again before its next time', async (t) => {
    const database = await open(t);
    const submitted: NewJob[] = [];
    const submit = async (job: NewJob): Promise<void> => void submitted.push(job);
    const [one, two] = [new Schedules(database, submit), new Schedules(database, submit)];
    const { id, nextAt = '' } = await one.add({
      name: 'nightly',
      cron: `0 3 15 ${FAR_MONTH} *`,
      timeZone: 'Europe/Berlin',
      job: JOB,
    });
    // Three in the morning of Berlin is one or two in UTC.
    assert.match(nextAt, /T0[12]:00:00\.000Z$/);
    await Promise.all([one.look(), two.look()]);
    assert.deepEqual(submitted, []);
    await database.updateTable('schedules').set({ nextAt: '2020-01-01T00:00:00.000Z' }).execute();
    await Promise.all([one.look(), two.look()]);
    await one.look();
    assert.deepEqual(submitted, [{ ...JOB, createdBy: 'schedule nightly' }]);
    const [schedule] = await two.list();
    assert.equal(schedule?.nextAt, nextAt);
    assert.ok(schedule?.lastAt);
    assert.equal((await two.enable(id, false)).nextAt, undefined);
    await one.look();
    assert.equal((await two.enable(id, true)).nextAt, nextAt);
    await one.remove(id);
    assert.deepEqual(await one.list(), []);
  });

  test('what cannot be is refused, and a job that cannot be submitted is told of', async (t) => {
    const database = await open(t);
    const schedules = new Schedules(database, async () => {
      throw new UsageError('there is no computer pc1');
    });
    for (const [cron, timeZone] of [
      ['every night', 'UTC'],
      ['0 3 * * *', 'Nowhere/Here'],
      ['99 3 * * *', 'UTC'],
    ]) {
      await assert.rejects(schedules.add({ name: 'x', cron: cron ?? '', timeZone, job: JOB }), {
        code: 'USAGE',
      });
    }
    await schedules.add({ name: 'x', cron: '* * * * * *', job: JOB });
    await assert.rejects(schedules.add({ name: 'x', cron: '0 3 * * *', job: JOB }), {
      code: 'SCHEDULE_EXISTS',
    });
    await assert.rejects(schedules.remove('nothing'), { code: 'SCHEDULE_MISSING' });
    await database.updateTable('schedules').set({ nextAt: '2020-01-01T00:00:00.000Z' }).execute();
    await schedules.look();
    assert.equal((await schedules.list())[0]?.problem, 'there is no computer pc1');
  });
});

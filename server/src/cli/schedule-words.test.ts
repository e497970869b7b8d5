import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Schedule } from '../jobs/schedules.ts';
import { scheduleCells, scheduleDetails, whenNext } from './schedule-words.ts';

const NEXT = '2026-11-24T02:00:00.000Z';
const SCHEDULE: Schedule = {
  id: 'S',
  name: 'nightly',
  cron: '0 3 * * *',
  timeZone: 'Europe/Berlin',
  job: { kind: 'capture', spec: { computer: 'web1', disk: 'sda', image: 'web', verify: true } },
  enabled: true,
  nextAt: NEXT,
};
const { nextAt: _, ...NEVER } = SCHEDULE;

test('a schedule is told by its job and its next time', () => {
  const cells = ['nightly', '0 3 * * *', 'Europe/Berlin', 'capture sda@web1 → web'];
  assert.deepEqual(scheduleCells(SCHEDULE), [...cells, NEXT]);
  assert.deepEqual(scheduleCells({ ...NEVER, enabled: false }), [...cells, 'off']);
  assert.match(scheduleCells({ ...SCHEDULE, problem: 'x' }).at(-1) ?? '', /^2026.*the last one failed/);
  assert.equal(whenNext(SCHEDULE), `the next job starts at ${NEXT}`);
  assert.equal(whenNext({ ...NEVER, enabled: false }), 'it is off and starts no jobs');
  assert.equal(whenNext(NEVER), 'no time fits any more');
});

test('all words of its job are shown, and why its last one failed', () => {
  const rows = new Map(scheduleDetails({ ...SCHEDULE, problem: 'there is no computer web1' }));
  assert.equal(rows.get('cron'), '0 3 * * * (Europe/Berlin)');
  assert.equal(rows.get('computer'), 'web1');
  assert.equal(rows.get('verify'), 'true');
  assert.equal(rows.get('problem'), 'there is no computer web1');
  assert.equal(rows.has('last'), false);
});

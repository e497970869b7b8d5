import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { type Event, EventLog } from './event-log.ts';

describeOnEachDatabase('the event log', (open) => {
  test('keeps what happened in its order, and tells it to those that listen', async (t) => {
    const database = await open(t);
    const log = new EventLog(database);
    const heard: Event[] = [];
    const leave = log.listen((event) => heard.push(event));
    const first = await log.add({
      kind: 'computer.unknown',
      severity: 'alert',
      subject: { kind: 'computer', id: 'c1' },
      message: 'An unknown computer is on standby.',
      data: { address: '192.0.2.7', bytes: 2 ** 41 },
    });
    leave();
    const second = await log.add({ kind: 'server.started', message: 'The server has started.' });
    assert.deepEqual(heard, [first]);
    assert.deepEqual(await log.list(), [first, second]);
    assert.deepEqual(await log.list({ after: first.id }), [second]);
    assert.deepEqual(await log.list({ kind: 'computer.unknown' }), [first]);
    assert.deepEqual(await log.list({ subjectId: 'c1' }), [first]);
    assert.deepEqual(await new EventLog(database).list({ limit: 1 }), [first]);
    assert.deepEqual(await log.list({ newest: true, limit: 1 }), [second]);
    assert.deepEqual(await log.list({ newest: true }), [first, second]);
    assert.equal(first.data['bytes'], 2 ** 41);
    assert.equal('subject' in second, false);
  });

  test('an event of a transaction that fails is not kept', async (t) => {
    const database = await open(t);
    const log = new EventLog(database);
    await assert.rejects(
      database.transaction().execute(async (transaction) => {
        await log.add({ kind: 'x', message: 'x' }, transaction);
        throw new Error('no');
      }),
      /no/,
    );
    assert.deepEqual(await log.list(), []);
  });
});

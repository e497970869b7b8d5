import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiAnswer } from '../serve/testing/serve-process.ts';
import { startServing } from '../serve/testing/serving.ts';
import { ask, dial, until } from './testing/caught-client.ts';

test('who shows to be a computer that is connected gets none of its jobs, and does not change what is known of it', async (t) => {
  const serving = await startServing(t);
  const real = await dial(t, serving, serving.enrol('lab'));
  const total = async (): Promise<number> => (await ask(serving, 'GET', '/api/v1/computers')).total;
  await until(async () => (await total()) === 1);
  const { id } = await ask(serving, 'POST', '/api/v1/computers/SN123456/register', {});
  const impostor = await dial(t, serving, serving.enrol('stolen'));
  let alert: ApiAnswer['json'];
  await until(async () => {
    [alert] = await ask(serving, 'GET', '/api/v1/events?kind=computer.claimed-twice');
    return alert !== undefined;
  });
  assert.deepEqual([alert.severity, alert.subject.id], ['alert', id]);
  assert.match(alert.message, /admitted by stolen.* shows to be SN123456, which is connected/);
  const known = await ask(serving, 'GET', '/api/v1/computers/SN123456');
  assert.deepEqual([known.enrolment, await total()], ['lab', 1]);

  const off = { kind: 'power', spec: { computer: 'SN123456', action: 'off' } };
  const { id: job } = await ask(serving, 'POST', '/api/v1/jobs', off);
  assert.equal((await real.message).type, 'leave');
  await until(async () => (await ask(serving, 'GET', `/api/v1/jobs/${job}`)).state === 'succeeded');
  const heard = await Promise.race([impostor.message, sleep(0, undefined)]);
  assert.equal(heard, undefined, 'the other one heard nothing of the job');

  // Of two that the server cannot tell apart, the second has its turn when the first has gone.
  real.client.close();
  await until(async () => (await ask(serving, 'GET', '/api/v1/computers/SN123456')).enrolment === 'stolen');
});

test('who holds a stolen secret is sent away when it is revoked, and does not come in again', async (t) => {
  const serving = await startServing(t);
  const { secret } = await ask(serving, 'POST', '/api/v1/enrolments', { name: 'stolen' });
  const thief = await dial(t, serving, secret);
  await until(async () => (await ask(serving, 'GET', '/api/v1/computers')).total === 1);
  await ask(serving, 'DELETE', '/api/v1/enrolments/stolen');
  assert.equal(await thief.client.ended, 'its enrolment was revoked');
  await assert.rejects(dial(t, serving, secret), /refused with status 401/);
  await until(async () => (await ask(serving, 'GET', '/api/v1/computers')).computers[0].connected === false);
});

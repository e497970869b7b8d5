import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServing } from '../serve/testing/serving.ts';
import { ask, dial } from './testing/caught-client.ts';

test('a computer that runs its own system is sent back to it; others are kept on standby', async (t) => {
  const serving = await startServing(t);
  const secret = serving.enrol('lab');
  const first = await dial(t, serving, secret);
  await serving.computers((all) => all.length === 1);
  for (let total: unknown = 0; total === 0; ) ({ total } = await ask(serving, 'GET', '/api/v1/computers'));
  const { state } = await ask(serving, 'POST', '/api/v1/computers/SN123456/register', {});
  assert.equal(state, 'dormant');
  await ask(serving, 'POST', '/api/v1/computers/SN123456/state', { cause: 'adopted' });
  const heard = await Promise.race([first.message, sleep(0, undefined)]);
  assert.equal(heard, undefined, 'nobody was sent away while it was on standby');
  first.client.close();
  await serving.computers((all) => all.length === 0);

  const second = await dial(t, serving, secret);
  const message = await second.message;
  assert.equal(message.type, 'leave');
  assert.equal('how' in message && message.how, 'local-disk');
});

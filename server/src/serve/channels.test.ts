import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Channels } from './channels.ts';

test('a channel is for the client that was asked, and for one connection', async () => {
  const channels = new Channels();
  const { id, stream } = channels.expect('anna');
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.equal(channels.claim(id, 'berta'), undefined);
  assert.equal(channels.claim('0'.repeat(64), 'anna'), undefined);
  const dialled = new PassThrough();
  const accept = channels.claim(id, 'anna');
  assert.ok(accept);
  accept(dialled);
  assert.equal(await stream, dialled);
  assert.equal(channels.claim(id, 'anna'), undefined);
});

test('no two channels have the same name', () => {
  const channels = new Channels();
  const all = Array.from({ length: 100 }, () => channels.expect('anna'));
  assert.equal(new Set(all.map(({ id }) => id)).size, 100);
  for (const channel of all) channel.cancel('the test is over');
});

test('a client that does not come is given up, and comes in vain later', async () => {
  const channels = new Channels({ dialTimeoutMs: 10 });
  const late = channels.expect('anna');
  await assert.rejects(late.stream, { code: 'CHANNEL_FAILED', message: /did not dial within/ });
  assert.equal(channels.claim(late.id, 'anna'), undefined);
  const refused = channels.expect('anna');
  refused.cancel('there is no disk sdz');
  await assert.rejects(refused.stream, { code: 'CHANNEL_FAILED', message: /there is no disk sdz/ });
  assert.equal(channels.claim(refused.id, 'anna'), undefined);
});

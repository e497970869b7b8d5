import assert from 'node:assert/strict';
import { request } from 'node:http';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { ServerMessage } from '@diskferry/protocol/control';
import { createIdentity } from '@diskferry/trust/identity';
import { interfacePath } from '../serve/run-folder.ts';
import { dialControl, inventoryOf, type ScriptedClient } from '../serve/testing/scripted-client.ts';
import { type Serving, startServing } from '../serve/testing/serving.ts';

const BOUND = { signal: AbortSignal.timeout(50_000) };

interface Caught {
  readonly client: ScriptedClient;
  /** Resolves with the first message that is no question for the inventory. */
  readonly message: Promise<ServerMessage>;
}

async function dial(t: TestContext, { door }: Serving, secret: string): Promise<Caught> {
  const { promise: message, resolve } = Promise.withResolvers<ServerMessage>();
  const identity = await createIdentity('test');
  const client = await dialControl(door, { secret, identity }, (asked) => {
    if (asked.type === 'get-inventory')
      return { type: 'inventory', inventory: inventoryOf('SN123456', 'sda') };
    resolve(asked);
    return asked.type === 'leave' ? { type: 'leaving' } : undefined;
  });
  t.after(() => client.close());
  return { client, message };
}

async function ask(
  { runFolder }: Serving,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const asking = request({ socketPath: interfacePath(runFolder), path, method, headers });
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asking, 'response', BOUND)) as [IncomingMessage];
  return (await json(response)) as Record<string, unknown>;
}

test('a computer that runs its own system is sent back to it; others are kept on standby', async (t) => {
  const serving = await startServing(t);
  const secret = serving.enrol('lab');
  const first = await dial(t, serving, secret);
  await serving.computers((all) => all.length === 1);
  for (let total: unknown = 0; total === 0; ) ({ total } = await ask(serving, 'GET', '/api/v1/computers'));
  const { state } = await ask(serving, 'POST', '/api/v1/computers/SN123456/register', {});
  assert.equal(state, 'dormant');
  await ask(serving, 'POST', '/api/v1/computers/SN123456/state', { cause: 'adopted' });
  const isUndisturbed = await Promise.race([first.message.then(() => false), Promise.resolve(true)]);
  assert.ok(isUndisturbed, 'nobody was sent away while it was on standby');
  first.client.close();
  await serving.computers((all) => all.length === 0);

  const second = await dial(t, serving, secret);
  const message = await second.message;
  assert.equal(message.type, 'leave');
  assert.equal('how' in message && message.how, 'local-disk');
});

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerMessage } from '@diskferry/protocol/control';
import { createIdentity } from '@diskferry/trust/identity';
import { interfacePath } from '../../serve/run-folder.ts';
import { dialControl, inventoryOf, type ScriptedClient } from '../../serve/testing/scripted-client.ts';
import type { ApiAnswer } from '../../serve/testing/serve-process.ts';
import type { Serving } from '../../serve/testing/serving.ts';

const BOUND_MS = 30_000;

/** A client that shows to be the computer SN123456, and catches what else it is asked for. */
export interface CaughtClient {
  readonly client: ScriptedClient;
  /** Resolves with the first message that is no question for the inventory. */
  readonly message: Promise<ServerMessage>;
}

/** Dials a server. Rejects with the HTTP status of a refusal. */
export async function dial(t: TestContext, { door }: Serving, secret: string): Promise<CaughtClient> {
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

/** Asks the API as root of the server's machine. @returns the JSON of the answer, undefined where it is empty */
export async function ask(
  { runFolder }: Serving,
  method: string,
  path: string,
  body?: object,
): Promise<ApiAnswer['json']> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const asking = request({ socketPath: interfacePath(runFolder), path, method, headers });
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  const signal = AbortSignal.timeout(BOUND_MS);
  const [response] = (await once(asking, 'response', { signal })) as [IncomingMessage];
  const answer = await text(response);
  return answer === '' ? undefined : JSON.parse(answer);
}

/** Waits for something that happens by itself. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + BOUND_MS; !(await condition()); await sleep(50)) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${BOUND_MS / 1000} s`);
  }
}

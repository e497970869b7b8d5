import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createIdentity, type Identity } from '@diskferry/trust/identity';
import { secureOptionsOf } from '@diskferry/trust/secure-context';
import { WebSocket, WebSocketServer } from 'ws';
import { type KeyedClient, startKeyedClient } from '../testing/imaging-client.ts';
import { isPaired, pair } from './pair.ts';

const [server, attacker] = (await Promise.all(['server', 'attacker'].map(createIdentity))) as [
  Identity,
  Identity,
];

async function startClient(context: TestContext): Promise<KeyedClient> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-pair-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'disk.img');
  writeFileSync(file, Buffer.alloc(4096));
  return startKeyedClient(context, { file, stateFolder: join(folder, 'state') });
}

/** Has a TLS session to either side, and hands all messages on as they come. Returns its port. */
async function standInBetween(context: TestContext, client: KeyedClient): Promise<number> {
  const http = createServer({
    ...secureOptionsOf(attacker),
    requestCert: true,
    rejectUnauthorized: false,
  });
  new WebSocketServer({ server: http }).on('connection', (towardsServer) => {
    const towardsClient = new WebSocket(`wss://127.0.0.1:${client.controlPort}`, {
      ...secureOptionsOf(attacker),
      rejectUnauthorized: false,
    });
    towardsClient.on('message', (data, isBinary) => towardsServer.send(data, { binary: isBinary }));
    towardsServer.on('message', (data, isBinary) => towardsClient.send(data, { binary: isBinary }));
    towardsServer.on('close', () => towardsClient.terminate());
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  context.after(() => {
    http.close();
    http.closeAllConnections();
  });
  return (http.address() as AddressInfo).port;
}

const at = (port: number | string) => ({ host: '127.0.0.1', port: Number(port) });

test('pairing tells the fingerprint that the screen shows, and both sides know each other then', async (context) => {
  const client = await startClient(context);
  assert.equal(await isPaired(at(client.controlPort), client.fingerprint(), server), false);
  const fingerprint = await pair(at(client.controlPort), client.code(), server);
  assert.equal(fingerprint, client.fingerprint());
  assert.equal(await isPaired(at(client.controlPort), fingerprint, server), true);
  assert.equal(await isPaired(at(client.controlPort), fingerprint, attacker), false);
  assert.equal(await isPaired(at(client.controlPort), attacker.fingerprint, server), false);
});

test('who stands in between and relays all messages of a right code is found out by both sides', async (context) => {
  const client = await startClient(context);
  const port = await standInBetween(context, client);
  await assert.rejects(pair(at(port), client.code(), server), {
    code: 'PAIRING_FAILED',
    message: /the pairing code is wrong, or somebody stands in between/,
  });
  for (const identity of [server, attacker]) {
    assert.equal(await isPaired(at(client.controlPort), client.fingerprint(), identity), false);
  }
  assert.doesNotMatch(client.output(), /Paired with: {2}127/);
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type ClientMessage, parseClientMessage } from '@diskferry/protocol/control';
import type { DiskInfo } from '@diskferry/protocol/inventory';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { createIdentity, type Identity } from '@diskferry/trust/identity';
import { PairingServer } from '@diskferry/trust/pairing';
import { channelExporter, secureOptionsOf } from '@diskferry/trust/secure-context';
import { WebSocket } from 'ws';
import { type Access, keyedAccess, openAccess } from '../access/access.ts';
import { PairedServers } from '../access/paired-servers.ts';
import type { LocalDisk } from '../disks/local-disk.ts';
import { type ControlServerOptions, startControlServer } from './control-server.ts';

const BOUND_MS = 60_000;
const [computer, server, stranger] = (await Promise.all(
  ['computer', 'server', 'stranger'].map(createIdentity),
)) as [Identity, Identity, Identity];

const SDA: DiskInfo = {
  name: 'sda',
  size: 4096,
  sectorSize: { logical: 512, physical: 512 },
  transport: 'sata',
  removable: false,
  readOnly: false,
};
const DISKS: readonly LocalDisk[] = [
  { info: SDA, path: '/dev/sda', kind: 'block-device', generation: '1' },
  { info: { ...SDA, name: 'sdb', readOnly: true }, path: '/dev/sdb', kind: 'block-device', generation: '1' },
];

function keyed(context: TestContext): Access {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-control-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return keyedAccess({ identity: computer, servers: new PairedServers(folder) });
}

async function start(
  context: TestContext,
  access: Access,
  options: Partial<ControlServerOptions> = {},
): Promise<number> {
  const control = await startControlServer({
    port: 0,
    host: '127.0.0.1',
    version: '1.2.3',
    readInventory: () => ({
      computer: { firmware: 'bios' },
      processors: { model: 'x', sockets: 1, cores: 1, threads: 1 },
      memoryBytes: 1,
      nics: [],
      disks: [],
    }),
    listDisks: () => DISKS,
    access,
    ...options,
  });
  context.after(() => control.close());
  return control.port;
}

/** A connection whose greeting has come; it loses no message. */
async function connect(port: number, identity: Identity | undefined) {
  const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
    ...(identity === undefined ? {} : secureOptionsOf(identity)),
    rejectUnauthorized: false,
  });
  return talk(socket);
}

async function talk(socket: WebSocket) {
  const messages: ClientMessage[] = [];
  socket.on('message', (data) => messages.push(parseClientMessage(data as Buffer)));
  let secured: TLSSocket | undefined;
  socket.on('upgrade', (response) => {
    secured = response.socket as TLSSocket;
  });
  async function next(): Promise<ClientMessage> {
    const bound = AbortSignal.timeout(BOUND_MS);
    while (messages.length === 0) await once(socket, 'message', { signal: bound });
    return messages.shift() as ClientMessage;
  }
  async function ask(message: object): Promise<ClientMessage & { readonly code?: string }> {
    socket.send(JSON.stringify(message));
    return next();
  }
  assert.equal((await next()).type, 'hello');
  return { socket, ask, secured: secured as TLSSocket };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The whole exchange of a server; returns its last answer. */
async function pairBy(code: string, identity: Identity, { ask, secured }: Awaited<ReturnType<typeof talk>>) {
  const side = new PairingServer(code, {
    server: identity.fingerprint,
    client: computer.fingerprint,
    exporter: channelExporter(secured),
  });
  const answer = await ask({ type: 'pair', id: 5, share: hex(side.share) });
  if (answer.type !== 'pair-share') return answer;
  const paired = await ask({
    type: 'prove',
    id: 5,
    proof: hex(side.prove(Buffer.from(answer.share, 'hex'))),
  });
  if (paired.type === 'paired') side.verify(Buffer.from(paired.proof, 'hex'));
  return paired;
}

test('a server that is not known hears the greeting and nothing else', async (context) => {
  const port = await start(context, keyed(context));
  const { ask } = await connect(port, server);
  for (const message of [
    { type: 'get-inventory', id: 1 },
    { type: 'grant-write', id: 1, disk: 'sda', job: 'j', description: 'd' },
    { type: 'end-grant', id: 1, disk: 'sda' },
    { type: 'open-channel', id: 1, channel: 'c' },
  ]) {
    const answer = await ask(message);
    assert.equal(answer.code, 'NOT_PAIRED', message.type);
    assert.match((answer as { message: string }).message, new RegExp(`${server.fingerprint}.*--pair CODE`));
  }
});

test('a server without a certificate can neither read nor pair', async (context) => {
  const port = await start(context, keyed(context));
  const { ask } = await connect(port, undefined);
  assert.equal((await ask({ type: 'get-inventory', id: 1 })).code, 'NOT_PAIRED');
  assert.equal((await ask({ type: 'pair', id: 1, share: '00' })).code, 'PAIRING_UNAVAILABLE');
});

test('a server that knows the code is let in, now and after a restart, and another one is not', async (context) => {
  const access = keyed(context);
  const port = await start(context, access);
  const first = await connect(port, server);
  const code = access.pairing?.desk.code ?? '';
  assert.equal((await pairBy(code, server, first)).type, 'paired');
  assert.equal((await first.ask({ type: 'get-inventory', id: 2 })).type, 'inventory');
  assert.notEqual(access.pairing?.desk.code, code, 'the code is used up');
  const again = await connect(port, server);
  assert.equal((await again.ask({ type: 'get-inventory', id: 2 })).type, 'inventory');
  const other = await connect(port, stranger);
  assert.equal((await other.ask({ type: 'get-inventory', id: 2 })).code, 'NOT_PAIRED');
});

test('a wrong code is refused, and the next try has to wait', async (context) => {
  const access = keyed(context);
  const port = await start(context, access);
  const connection = await connect(port, server);
  assert.equal((await pairBy('0000-0000', server, connection)).code, 'PAIRING_FAILED');
  assert.equal((await pairBy(access.pairing?.desk.code ?? '', server, connection)).code, 'PAIRING_DELAYED');
  assert.equal((await connection.ask({ type: 'get-inventory', id: 2 })).code, 'NOT_PAIRED');
});

test('a proof without a try, of another try, or twice is refused', async (context) => {
  const access = keyed(context);
  const port = await start(context, access);
  const { ask } = await connect(port, server);
  assert.equal((await ask({ type: 'prove', id: 1, proof: '00' })).code, 'PAIRING_FAILED');
  const share = hex(
    new PairingServer('0000-0000', { server: 'a', client: 'b', exporter: Buffer.from('c') }).share,
  );
  assert.equal((await ask({ type: 'pair', id: 1, share })).type, 'pair-share');
  assert.equal((await ask({ type: 'prove', id: 2, proof: '00'.repeat(64) })).code, 'PAIRING_FAILED');
  assert.equal((await ask({ type: 'prove', id: 1, proof: '00'.repeat(64) })).code, 'PAIRING_FAILED');
});

for (const share of ['', 'zz', '00'.repeat(32), 'ff'.repeat(32), '00'.repeat(5_000)]) {
  test(`the share ${share.slice(0, 8)}… of ${share.length} digits is refused`, async (context) => {
    const port = await start(context, keyed(context));
    const { ask } = await connect(port, server);
    assert.equal((await ask({ type: 'pair', id: 1, share })).code, 'PAIRING_FAILED');
  });
}

test('who has a certificate of the authority is let in, and who has one of another is not', async (context) => {
  const [ours, others] = await Promise.all(['lab', 'lab'].map(createAuthority));
  assert.ok(ours && others);
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-control-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const servers = new PairedServers(folder);
  const port = await start(
    context,
    keyedAccess({ identity: computer, servers, authority: ours.certificate }),
  );
  for (const [authority, expected] of [
    [ours, 'inventory'],
    [others, 'error'],
  ] as const) {
    const identity = await issueCertificate(authority, { commonName: 'a client' });
    const { ask } = await connect(port, identity);
    assert.equal((await ask({ type: 'get-inventory', id: 1 })).type, expected);
  }
});

test('in plain text there is nothing to pair', async (context) => {
  const port = await start(context, openAccess({ writable: false }));
  const { ask } = await talk(new WebSocket(`ws://127.0.0.1:${port}`));
  assert.equal((await ask({ type: 'pair', id: 1, share: '00' })).code, 'PAIRING_UNAVAILABLE');
});

test('who speaks plain text to a port of TLS gets nothing', async (context) => {
  const port = await start(context, keyed(context));
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await assert.rejects(once(socket, 'open', { signal: AbortSignal.timeout(BOUND_MS) }), /hang up|ECONNRESET/);
});

test('a stranger is cut off after a while, and a paired server is not', async (context) => {
  const access = keyed(context);
  access.pairing?.servers.add({ fingerprint: server.fingerprint, address: '10.0.0.2' });
  const port = await start(context, access, { strangerLimitMs: 300 });
  const known = await connect(port, server);
  const unknown = await connect(port, stranger);
  await once(unknown.socket, 'close', { signal: AbortSignal.timeout(BOUND_MS) });
  assert.equal((await known.ask({ type: 'get-inventory', id: 1 })).type, 'inventory');
});

test('a paired server gets a grant, has it shown, and gives it back', async (context) => {
  const access = keyed(context);
  access.pairing?.servers.add({ fingerprint: server.fingerprint, address: '10.0.0.2' });
  const port = await start(context, access);
  const { ask } = await connect(port, server);
  const request = { type: 'grant-write', id: 1, disk: 'sda', job: 'deploy-7', description: 'web.qcow2' };
  for (const id of [1, 2]) {
    const granted = await ask({ ...request, id });
    assert.equal(granted.type, 'granted');
    assert.match((granted as { exportName: string }).exportName, /^sda;grant=/);
  }
  assert.deepEqual(
    access.grants.list().map(({ disk, job, peer }) => [disk, job, peer.id, peer.name]),
    [['sda', 'deploy-7', server.fingerprint, '127.0.0.1']],
  );
  assert.equal((await ask({ ...request, job: 'deploy-8' })).code, 'GRANT_TAKEN');
  assert.equal((await ask({ type: 'end-grant', id: 3, disk: 'sda' })).type, 'grant-ended');
  assert.deepEqual(access.grants.list(), []);
});

test('a disk that is not there or write-protected, and a description that spoils the screen, get no grant', async (context) => {
  const access = keyed(context);
  access.pairing?.servers.add({ fingerprint: server.fingerprint, address: '10.0.0.2' });
  const port = await start(context, access);
  const { ask } = await connect(port, server);
  const request = { type: 'grant-write', id: 1, disk: 'sda', job: 'deploy-7', description: 'web.qcow2' };
  assert.equal((await ask({ ...request, disk: 'sdz' })).code, 'UNKNOWN_DISK');
  assert.equal((await ask({ ...request, disk: 'sdb' })).code, 'GRANT_REFUSED');
  assert.equal((await ask({ ...request, description: '\u001b[2J' })).code, 'GRANT_INVALID');
  assert.deepEqual(access.grants.list(), []);
});

test('in plain text nobody gets a grant unless everybody may write', async (context) => {
  for (const [writable, expected] of [
    [false, 'GRANT_REFUSED'],
    [true, undefined],
  ] as const) {
    const port = await start(context, openAccess({ writable }));
    const { ask } = await talk(new WebSocket(`ws://127.0.0.1:${port}`));
    const answer = await ask({ type: 'grant-write', id: 1, disk: 'sda', job: 'j', description: 'd' });
    assert.equal(answer.code, expected);
  }
});

test('the end of a connection is told to its grants', async (context) => {
  const access = openAccess({ writable: true });
  const port = await start(context, access);
  const closed = Promise.withResolvers<object>();
  access.grants.connectionClosed = closed.resolve;
  const { ask, socket } = await talk(new WebSocket(`ws://127.0.0.1:${port}`));
  await ask({ type: 'grant-write', id: 1, disk: 'sda', job: 'j', description: 'd' });
  socket.terminate();
  const holder = await closed.promise;
  assert.ok(holder instanceof WebSocket);
});

test('a client that is not managed opens no channels', async (context) => {
  const port = await start(context, openAccess({ writable: false }));
  const { ask } = await talk(new WebSocket(`ws://127.0.0.1:${port}`));
  const answer = await ask({ type: 'open-channel', id: 4, channel: 'c' });
  assert.equal(answer.code, 'CONTROL_UNKNOWN_TYPE');
});

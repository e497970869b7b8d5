import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ServerMessage } from '@diskferry/protocol/control';
import { createIdentity, type Identity } from '@diskferry/trust/identity';
import { enrolmentsOf, startServer } from './serve.ts';
import { interfacePath } from './run-folder.ts';
import {
  type Answer,
  dialChannel,
  dialControl,
  inventoryOf,
  type ScriptedClient,
} from './testing/scripted-client.ts';
import { type Serving, startServing } from './testing/serving.ts';

/** Far more than any test needs; a test that waits so long has failed. From now on: the file as a whole may take longer. */
const bound = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(60_000) });

/** A client that tells its inventory and answers all else with `more`. */
async function startClient(
  test: TestContext,
  { door }: Serving,
  secret: string,
  {
    identity,
    serial = 'S1',
    disks = ['sda'],
    more = () => undefined,
  }: { identity?: Identity; serial?: string; disks?: readonly string[]; more?: Answer } = {},
): Promise<ScriptedClient & { readonly identity: Identity }> {
  const own = identity ?? (await createIdentity('test'));
  const client = await dialControl(door, { secret, identity: own }, (message) =>
    message.type === 'get-inventory'
      ? { type: 'inventory', inventory: inventoryOf(serial, ...disks) }
      : more(message),
  );
  test.after(() => client.close());
  return { ...client, identity: own };
}

/** What a connection gets until it ends. */
async function received(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => {});
  await once(socket, 'close', bound());
  return text;
}

test('a computer is listed with its disks, and leaves no socket when it is gone', async (context) => {
  const serving = await startServing(context);
  const client = await startClient(context, serving, serving.enrol('lab'), { disks: ['sda', 'a/b'] });
  const [computer] = await serving.computers((all) => all.length === 1);
  assert.ok(computer);
  assert.equal(computer.name, 'S1');
  assert.equal(computer.enrolment, 'lab');
  assert.equal(computer.address, '127.0.0.1');
  assert.equal(computer.fingerprint, client.identity.fingerprint);
  const sockets = computer.disks.map(({ socket }) => socket);
  const folder = join(serving.runFolder, 'computers/S1');
  assert.deepEqual(sockets, [join(folder, 'sda.sock'), join(folder, 'a%2Fb.sock')]);
  for (const socket of sockets) assert.equal(statSync(socket).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  client.close();
  await serving.computers((all) => all.length === 0);
  assert.equal(existsSync(folder), false);
});

test('each connection to a disk gets a channel of its own, which carries bytes both ways', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const asked: ServerMessage[] = [];
  const client = await startClient(context, serving, secret, {
    more: async (message) => {
      assert.ok(message.type === 'open-channel');
      asked.push(message);
      const stream = await dialChannel(serving.door, { secret, identity: client.identity }, message);
      stream.write(`greeting of channel ${asked.length};`);
      stream.on('data', (data) => stream.end(String(data).toUpperCase()));
      return { type: 'channel-opened' };
    },
  });
  const [computer] = await serving.computers((all) => all.length === 1);
  const path = computer?.disks[0]?.socket ?? '';
  for (const number of [1, 2]) {
    const local = connect(path);
    local.write('hello');
    assert.equal(await received(local), `greeting of channel ${number};HELLO`);
  }
  assert.deepEqual(
    asked.map((message) => message.type === 'open-channel' && message.disk),
    ['sda', 'sda'],
  );
});

test('a channel that the client cannot open ends the connection to the disk', async (context) => {
  const serving = await startServing(context);
  await startClient(context, serving, serving.enrol('lab'), {
    more: () => ({ type: 'error', code: 'UNKNOWN_DISK', message: 'there is no such disk' }),
  });
  const [computer] = await serving.computers((all) => all.length === 1);
  assert.equal(await received(connect(computer?.disks[0]?.socket ?? '')), '');
});

test('a channel is refused to everybody but the client that was asked for it', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const { promise: asked, resolve } = Promise.withResolvers<string>();
  const client = await startClient(context, serving, secret, {
    more: (message) => {
      if (message.type === 'open-channel') resolve(message.channel);
      return undefined;
    },
  });
  const [computer] = await serving.computers((all) => all.length === 1);
  const local = connect(computer?.disks[0]?.socket ?? '');
  const channel = await asked;
  const own = { secret, identity: client.identity };
  const impostor = { secret, identity: await createIdentity('impostor') };
  await assert.rejects(dialChannel(serving.door, impostor, { channel }), /refused with status 404/);
  await assert.rejects(dialChannel(serving.door, { secret }, { channel }), /refused with status 403/);
  await assert.rejects(
    dialChannel(serving.door, { ...own, secret: `${secret}x` }, { channel }),
    /refused with status 401/,
  );
  await assert.rejects(
    dialChannel(serving.door, own, { channel, upgrade: 'tcp' }),
    /refused with status 404/,
  );
  await assert.rejects(
    dialChannel(serving.door, own, { channel: '0'.repeat(64) }),
    /refused with status 404/,
  );
  // All of them have not used it up.
  const stream = await dialChannel(serving.door, own, { channel });
  stream.end('the right one');
  assert.equal(await received(local), 'the right one');
  await assert.rejects(dialChannel(serving.door, own, { channel }), /refused with status 404/);
});

test('nobody enters without a secret, with an unknown one, or without a key of his own', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const identity = await createIdentity('test');
  const never = (): undefined => undefined;
  await assert.rejects(dialControl(serving.door, { identity }, never), /status 401/);
  await assert.rejects(dialControl(serving.door, { identity, secret: 'lab.guess' }, never), /status 401/);
  await assert.rejects(dialControl(serving.door, { secret }, never), /status 403/);
  enrolmentsOf(serving.stateFolder).revoke('lab');
  await assert.rejects(dialControl(serving.door, { identity, secret }, never), /status 401/);
});

test('older TLS than 1.3 is refused', async (context) => {
  const { door } = await startServing(context);
  const socket = connectTls({
    port: door.port,
    host: '127.0.0.1',
    ca: door.authority,
    maxVersion: 'TLSv1.2',
  });
  await assert.rejects(once(socket, 'secureConnect', bound()), {
    code: /ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION/,
  });
});

test('a request that does not come to its end is cut off, and keeps nobody else waiting', async (context) => {
  const { door } = await startServing(context);
  const dial = (): Socket => connectTls({ port: door.port, host: '127.0.0.1', ca: door.authority });
  const ends = [
    'POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX: ',
    'POST /api/v1/jobs HTTP/1.1\r\nContent-Length: 9\r\n\r\n{',
  ].map(async (begin) => {
    const socket = dial();
    await once(socket, 'secureConnect', bound());
    socket.write(begin);
    const drip = setInterval(() => socket.write(' '), 1_000);
    const answer = await received(socket);
    clearInterval(drip);
    return answer;
  });
  const other = dial();
  other.write('GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(await received(other), /^HTTP\/1\.1 200 OK/);
  // Without a token, the second one is sent away before its body is waited for.
  const [headers = '', body = ''] = await Promise.all(ends);
  assert.match(headers, /^(HTTP\/1\.1 408 |$)/);
  assert.match(body, /^HTTP\/1\.1 4(01|00|08) /);
});

test('who was admitted by a secret that is revoked is sent away at once, the others stay', async (context) => {
  const serving = await startServing(context);
  const client = await startClient(context, serving, serving.enrol('lab'), { serial: 'COMPUTER-A' });
  await startClient(context, serving, serving.enrol('office'), { serial: 'COMPUTER-B' });
  await serving.computers((all) => all.length === 2);
  enrolmentsOf(serving.stateFolder).revoke('lab');
  assert.equal(await client.ended, 'its enrolment was revoked');
  const left = await serving.computers((all) => all.length === 1);
  assert.equal(left[0]?.name, 'COMPUTER-B');
});

test('two computers of one serial number are told apart, one that connects again replaces itself', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const first = await startClient(context, serving, secret, { disks: ['first'] });
  await serving.computers((all) => all.length === 1);
  const second = await startClient(context, serving, secret, { disks: ['second'] });
  const names = (await serving.computers((all) => all.length === 2)).map(({ name }) => name);
  assert.deepEqual(names, ['S1', `S1-${second.identity.fingerprint.slice(0, 6)}`]);
  await startClient(context, serving, secret, { identity: first.identity, disks: ['again'] });
  assert.equal(await first.ended, 'the same computer connected again');
  const all = await serving.computers((list) => list[0]?.disks[0]?.name === 'again');
  assert.equal(all.length, 2);
});

test('a dead connection gives its name to the computer that was started anew', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  let isDead = false;
  const dead = await dialControl(serving.door, { secret, identity: await createIdentity('a') }, () =>
    isDead ? undefined : { type: 'inventory', inventory: inventoryOf('S1', 'old') },
  );
  context.after(() => dead.close());
  await serving.computers((all) => all.length === 1);
  isDead = true;
  await startClient(context, serving, secret, { disks: ['new'] });
  const [computer] = await serving.computers((all) => all[0]?.disks[0]?.name === 'new');
  assert.equal(computer?.name, 'S1');
});

test('a client that is no imaging client, or of another version, is sent away with the reason', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const identity = await createIdentity('test');
  const client = await dialControl(serving.door, { secret, identity }, () => undefined);
  client.socket.send(JSON.stringify({ type: 'hello', protocol: 1, product: 'other', version: '1' }));
  // The first hello was right: what counts is that a wrong one never passes.
  assert.match(await client.ended, /is not an imaging client/);
});

test('a wrong message is answered and the connection stays', async (context) => {
  const serving = await startServing(context);
  const errors: ServerMessage[] = [];
  const { promise: told, resolve } = Promise.withResolvers<void>();
  const client = await startClient(context, serving, serving.enrol('lab'), {
    more: (message) => {
      errors.push(message);
      if (errors.length === 2) resolve();
      return undefined;
    },
  });
  await serving.computers((all) => all.length === 1);
  client.socket.send('{');
  client.socket.send(JSON.stringify({ type: 'format', id: 3 }));
  client.socket.send(JSON.stringify({ type: 'channel-opened', id: 999 }));
  await told;
  assert.deepEqual(
    errors.map((message) => message.type === 'error' && message.code),
    ['CONTROL_INVALID', 'CONTROL_UNKNOWN_TYPE'],
  );
  assert.equal((await serving.computers(() => true)).length, 1);
});

test('a second server with the same run folder is refused and harms nothing', async (context) => {
  const serving = await startServing(context);
  await startClient(context, serving, serving.enrol('lab'));
  const [computer] = await serving.computers((all) => all.length === 1);
  const second = startServer({ ...serving, log: () => {} });
  await assert.rejects(second, { code: 'SERVE_RUNS' });
  assert.ok(existsSync(computer?.disks[0]?.socket ?? ''));
});

test('a run folder that cannot be used is refused with what to do', async (context) => {
  const serving = await startServing(context);
  const runFolder = join(serving.authorityFile, 'below-a-file');
  const starting = startServer({ ...serving, runFolder, log: () => {} });
  await assert.rejects(starting, { code: 'RUN_FOLDER', message: /be root, or set DISKFERRY_RUN/ });
});

test('what a killed server left is replaced', async (context) => {
  const serving = await startServing(context);
  await serving.restart();
  assert.equal((await serving.computers(() => true)).length, 0);
  assert.equal(statSync(interfacePath(serving.runFolder)).mode & 0o777, 0o600);
});

/** Asks for a grant; resolves with the lines that came, when there are so many or the answer has ended. */
async function takeGrant(
  serving: Serving,
  body: object,
  onLine: (line: { socket?: string; code?: string; message?: string }, drop: () => void) => void,
): Promise<number> {
  const asking = request({ socketPath: interfacePath(serving.runFolder), path: '/grants', method: 'POST' });
  asking.end(JSON.stringify(body));
  const [response] = await once(asking, 'response', bound());
  const { statusCode } = response as { statusCode: number };
  response.on('error', () => {});
  const closed = new Promise<void>((resolve) => response.on('close', resolve));
  // A line may come in pieces.
  createInterface({ input: response })
    .on('line', (line) => onLine(JSON.parse(line), () => asking.destroy()))
    .on('error', () => {});
  await closed;
  return statusCode;
}

const GRANT = { computer: 'S1', disk: 'sda', job: 'deploy-7', description: 'deploy of image x' };

test('a grant is a writable socket that lasts as long as it is held', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const asked: ServerMessage[] = [];
  const { promise: given, resolve } = Promise.withResolvers<void>();
  const client = await startClient(context, serving, secret, {
    more: async (message) => {
      asked.push(message);
      if (message.type === 'grant-write') return { type: 'granted', exportName: 'sda;grant=token' };
      if (message.type === 'open-channel') {
        const stream = await dialChannel(serving.door, { secret, identity: client.identity }, message);
        stream.end('written');
        return { type: 'channel-opened' };
      }
      resolve();
      return { type: 'grant-ended' };
    },
  });
  await serving.computers((all) => all.length === 1);
  let path = '';
  await takeGrant(serving, GRANT, ({ socket = '' }, drop) => {
    path = socket;
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(socket)).mode & 0o777, 0o700);
    void received(connect(socket))
      .then((text) => assert.equal(text, 'written'))
      .then(drop);
  });
  await given;
  assert.equal(existsSync(path), false);
  const request = { disk: GRANT.disk, job: GRANT.job, description: GRANT.description };
  assert.deepEqual(
    asked.map((message) => ({ ...message, id: 0, ...('channel' in message ? { channel: '' } : {}) })),
    [
      { type: 'grant-write', id: 0, ...request },
      { type: 'open-channel', id: 0, channel: '', disk: 'sda;grant=token' },
      { type: 'end-grant', id: 0, disk: 'sda' },
    ],
  );
});

test('who asks again for the same job gets a new socket with the newest name, and gives back once', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const asked: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let names = 0;
  const client = await startClient(context, serving, secret, {
    more: async (message) => {
      asked.push(message.type === 'open-channel' ? `channel of ${message.disk}` : message.type);
      if (message.type === 'grant-write') return { type: 'granted', exportName: `sda;grant=${++names}` };
      if (message.type === 'open-channel') {
        const stream = await dialChannel(serving.door, { secret, identity: client.identity }, message);
        stream.end('written');
        return { type: 'channel-opened' };
      }
      resolve();
      return { type: 'grant-ended' };
    },
  });
  await serving.computers((all) => all.length === 1);
  const again = Promise.withResolvers<void>();
  const lines: (string | undefined)[] = [];
  const first = takeGrant(serving, GRANT, ({ socket, message }) => {
    lines.push(message);
    if (socket !== undefined) again.resolve();
  });
  await again.promise;
  const second = takeGrant(serving, GRANT, ({ socket = '' }, drop) => {
    void first
      .then(() => received(connect(socket)))
      .then((text) => assert.equal(text, 'written'))
      .then(drop);
  });
  await Promise.all([first, second, ended]);
  assert.deepEqual(lines, [undefined, 'it was asked for again']);
  assert.deepEqual(asked, ['grant-write', 'grant-write', 'channel of sda;grant=2', 'end-grant']);
});

test('a grant that cannot be given is refused with the reason', async (context) => {
  const serving = await startServing(context);
  await startClient(context, serving, serving.enrol('lab'), {
    more: () => ({ type: 'error', code: 'GRANT_TAKEN', message: 'sda is written by job 3' }),
  });
  await serving.computers((all) => all.length === 1);
  for (const [body, code] of [
    [GRANT, 'GRANT_TAKEN'],
    [{ ...GRANT, computer: 'S2' }, 'COMPUTER_MISSING'],
    [{ ...GRANT, disk: 7 }, 'INVALID'],
  ] as const) {
    const errors: unknown[] = [];
    assert.equal(await takeGrant(serving, body, (line) => errors.push(line.code)), 400);
    assert.deepEqual(errors, [code]);
  }
});

test('a grant follows a client that connects again', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const identity = await createIdentity('test');
  let grants = 0;
  const { promise: restored, resolve } = Promise.withResolvers<void>();
  const start = (): Promise<ScriptedClient> =>
    startClient(context, serving, secret, {
      identity,
      more: (message) => {
        if (message.type !== 'grant-write') return undefined;
        grants++;
        if (grants === 2) resolve();
        return { type: 'granted', exportName: `sda;grant=${grants}` };
      },
    });
  const first = await start();
  await serving.computers((all) => all.length === 1);
  const lines: { code?: string }[] = [];
  const { promise: held, resolve: onHeld } = Promise.withResolvers<() => void>();
  const ended = takeGrant(serving, GRANT, (line, drop) => {
    lines.push(line);
    onHeld(drop);
  });
  const drop = await held;
  first.close();
  await start();
  await restored;
  drop();
  await ended;
  assert.deepEqual(
    lines.map(({ code }) => code),
    [undefined],
  );
});

test('a grant ends when its client does not connect again', async (context) => {
  const serving = await startServing(context, { graceMs: 100 });
  const client = await startClient(context, serving, serving.enrol('lab'), {
    more: ({ type }) => (type === 'grant-write' ? { type: 'granted', exportName: 'sda;grant=x' } : undefined),
  });
  await serving.computers((all) => all.length === 1);
  const lines: { code?: string; message?: string }[] = [];
  await takeGrant(serving, GRANT, (line) => {
    lines.push(line);
    client.close();
  });
  assert.equal(lines.length, 2);
  assert.equal(lines[1]?.code, 'GRANT_ENDED');
  assert.match(lines[1]?.message ?? '', /did not come back/);
});

test('a grant does not pass to a computer that was started anew', async (context) => {
  const serving = await startServing(context);
  const secret = serving.enrol('lab');
  const more: Answer = ({ type }) =>
    type === 'grant-write' ? { type: 'granted', exportName: 'sda;grant=x' } : undefined;
  const first = await startClient(context, serving, secret, { more });
  await serving.computers((all) => all.length === 1);
  const lines: { code?: string; message?: string }[] = [];
  const { promise: held, resolve } = Promise.withResolvers<void>();
  const ended = takeGrant(serving, GRANT, (line) => {
    lines.push(line);
    resolve();
  });
  await held;
  first.close();
  await serving.computers((all) => all.length === 0);
  await startClient(context, serving, secret, { more });
  await ended;
  assert.match(lines[1]?.message ?? '', /started anew/);
});

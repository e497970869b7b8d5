import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, type TestContext, test } from 'node:test';
import { ownAddress } from '@diskferry/protocol/nbd/testing/own-address';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { createIdentity } from '@diskferry/trust/identity';
import { dialChannel, dialControl, type Dialler } from './dial.ts';

const authority = await createAuthority('test authority');
const certified = await issueCertificate(authority, {
  commonName: 'server',
  hosts: ['127.0.0.1', 'localhost'],
});
const identity = await createIdentity('client');
/** Far more than any answer needs, also one of a name server that has to be asked again; in ms. */
const BOUND_MS = 50_000;
const SECRET = 'lab.secret';
const CHANNEL = 'c'.repeat(64);
const servers: (Server | TcpServer)[] = [];
after(() => servers.forEach((server) => server.close()));

type Upgrade = (request: IncomingMessage, socket: Duplex) => void;

/** A server on the loopback address, and what it was asked. */
async function serve(
  onUpgrade: Upgrade,
  options: ServerOptions = {},
): Promise<{ port: number; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer({ key: certified.key, cert: certified.certificate, ...options });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    requests.push(request);
    response.writeHead(404).end();
  });
  server.on('upgrade', (request, socket, _head) => {
    requests.push(request);
    socket.on('error', () => {});
    onUpgrade(request, socket);
  });
  return { port: await listen(server), requests };
}

async function listen(server: Server | TcpServer): Promise<number> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function dialler(
  context: TestContext,
  port: number,
  { host = '127.0.0.1', trusted = authority.certificate, dialTimeoutMs = BOUND_MS } = {},
): Dialler {
  const life = new AbortController();
  context.after(() => life.abort());
  const settings = { server: { host, port }, authority: trusted, secret: SECRET };
  return { settings, identity, signal: life.signal, dialTimeoutMs };
}

/** Both ways of dialling fail with the same sentence. */
async function assertFailure(dialling: Dialler, message: RegExp): Promise<void> {
  await assert.rejects(
    dialControl(dialling, () => assert.fail('it was opened')),
    {
      code: 'DIAL_FAILED',
      message,
    },
  );
  await assert.rejects(dialChannel(dialling, CHANNEL), { code: 'DIAL_FAILED', message });
}

function answer(status: string, ...headers: string[]): Upgrade {
  return (_, socket) =>
    socket.end([`HTTP/1.1 ${status}`, ...headers, 'Connection: close', '', ''].join('\r\n'));
}

test('a channel shows the secret, and carries bytes that come with the answer and later', async (context) => {
  const { port, requests } = await serve((_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: nbd\r\n\r\nfirst ');
    socket.once('data', (data) => socket.end(`then ${String(data)}`));
  });
  const stream = await dialChannel(dialler(context, port), CHANNEL);
  stream.write('answer');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.equal(text, 'first then answer');
  assert.equal(requests[0]?.url, `/clients/channels/${CHANNEL}`);
  assert.equal(requests[0]?.headers.authorization, `Bearer ${SECRET}`);
});

test('a name of a channel cannot lead to another path', async (context) => {
  const { port, requests } = await serve(answer('404 Not Found'));
  await assert.rejects(dialChannel(dialler(context, port), '../control?x'));
  assert.equal(requests[0]?.url, '/clients/channels/..%2Fcontrol%3Fx');
});

test('a server of another authority is refused before it sees the secret', async (context) => {
  const { port, requests } = await serve(answer('200 OK'));
  const other = await createAuthority('test authority');
  await assertFailure(
    dialler(context, port, { trusted: other.certificate }),
    /shows a certificate that the authority of this medium has not issued/,
  );
  assert.deepEqual(requests, []);
});

test('a server that signed its certificate itself is refused before it sees the secret', async (context) => {
  const self = await createIdentity('server');
  const { port, requests } = await serve(answer('200 OK'), { key: self.key, cert: self.certificate });
  await assertFailure(dialler(context, port), /has not issued/);
  assert.deepEqual(requests, []);
});

test('a certificate of the authority for another host is refused', async (context) => {
  const { key, certificate } = await issueCertificate(authority, { commonName: 'other', hosts: ['other'] });
  const { port, requests } = await serve(answer('200 OK'), { key, cert: certificate });
  await assertFailure(dialler(context, port), /has a certificate for other names than "127\.0\.0\.1"/);
  assert.deepEqual(requests, []);
});

test('a server that speaks only older TLS, or none, is refused', async (context) => {
  const { port, requests } = await serve(answer('200 OK'), { maxVersion: 'TLSv1.2' });
  await assertFailure(dialler(context, port), /cannot be spoken to/);
  const plain = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\n\r\n'));
  await assertFailure(dialler(context, await listen(plain)), /cannot be spoken to/);
  assert.deepEqual(requests, []);
});

test('what a server refuses is told with what to do', async (context) => {
  for (const [status, message] of [
    ['401 Unauthorized', /does not take the enrolment secret/],
    ['404 Not Found', /HTTP status 404.*is it "diskferry serve"/],
    ['200 OK', /HTTP status 200/],
  ] as const) {
    const { port } = await serve(answer(status, 'Content-Length: 0'));
    await assertFailure(dialler(context, port), message);
  }
});

test('an upgrade to anything but NBD is refused', async (context) => {
  const { port } = await serve((_, socket) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'),
  );
  await assert.rejects(dialChannel(dialler(context, port), CHANNEL), /another protocol than NBD/);
});

test('a server that nobody started, or whose name nobody knows, is told', async (context) => {
  const { host, port } = ownAddress();
  await assertFailure(dialler(context, port, { host }), /takes no connection: start "diskferry serve" there/);
  await assertFailure(dialler(context, 1, { host: 'no-such-host.invalid' }), /cannot be found/);
});

test('a server that takes the connection and says nothing is given up', async (context) => {
  const silent = createTcpServer((socket) => socket.on('error', () => {}).resume());
  const port = await listen(silent);
  await assertFailure(dialler(context, port, { dialTimeoutMs: 100 }), /does not answer/);
});

test('dialling ends when the client does', async () => {
  const silent = createTcpServer((socket) => socket.on('error', () => {}).resume());
  const settings = {
    server: { host: '127.0.0.1', port: await listen(silent) },
    authority: authority.certificate,
    secret: SECRET,
  };
  const life = new AbortController();
  const dialling = { settings, identity, signal: life.signal };
  const attempts = [dialControl(dialling, () => {}), dialChannel(dialling, CHANNEL)];
  life.abort();
  for (const attempt of await Promise.allSettled(attempts)) assert.equal(attempt.status, 'rejected');
  await assert.rejects(dialControl(dialling, () => {}));
  await assert.rejects(dialChannel(dialling, CHANNEL));
});

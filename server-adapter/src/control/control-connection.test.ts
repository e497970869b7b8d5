import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { helloMessage, serialiseControlMessage } from '@diskferry/protocol/control';
import { createIdentity, type Identity } from '@diskferry/trust/identity';
import { clientTls, secureOptionsOf } from '@diskferry/trust/secure-context';
import { type WebSocket, WebSocketServer } from 'ws';
import { openControlConnection } from './control-connection.ts';

const [computer, server] = (await Promise.all(['computer', 'server'].map(createIdentity))) as [
  Identity,
  Identity,
];
const HELLO = serialiseControlMessage(helloMessage('1.2.3'));

interface Listener {
  readonly port: number;
  /** All messages that came. */
  readonly received: string[];
}

/** The other end of the channel, as a test wants it. */
async function listen(
  context: TestContext,
  onConnection: (socket: WebSocket) => void,
  { secure = false } = {},
): Promise<Listener> {
  const http = secure
    ? createSecureServer({ ...secureOptionsOf(computer), requestCert: true, rejectUnauthorized: false })
    : createServer();
  const sockets = new WebSocketServer({ server: http });
  const received: string[] = [];
  sockets.on('connection', (socket) => {
    socket.on('message', (data) => received.push((data as Buffer).toString()));
    onConnection(socket);
  });
  http.on('tlsClientError', () => {});
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  context.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    http.close();
    http.closeAllConnections();
  });
  return { port: (http.address() as AddressInfo).port, received };
}

/** Greets, and answers each question with what `answer` makes of its id. */
function greetAndAnswer(answer: (id: number) => object | undefined): (socket: WebSocket) => void {
  return (socket) => {
    socket.send(HELLO);
    socket.on('message', (data) => {
      const reply = answer((JSON.parse((data as Buffer).toString()) as { id: number }).id);
      if (reply !== undefined) socket.send(JSON.stringify(reply));
    });
  };
}

const at = ({ port }: Listener) => ({ host: '127.0.0.1', port });
const GRANT = { type: 'grant-write', disk: 'sda', job: 'j', description: 'd' } as const;

test('answers find their questions, in whatever order they come', async (context) => {
  const held: number[] = [];
  const listener = await listen(context, (socket) => {
    greetAndAnswer((id) => {
      held.push(id);
      return undefined;
    })(socket);
    socket.on('message', () => {
      if (held.length < 2) return;
      for (const id of held.toReversed()) {
        socket.send(JSON.stringify({ type: 'granted', id, exportName: `export ${id}` }));
      }
    });
  });
  const connection = await openControlConnection(at(listener));
  const answers = await Promise.all([
    connection.ask(GRANT, 'granted'),
    connection.ask({ ...GRANT, disk: 'sdb' }, 'granted'),
  ]);
  assert.deepEqual(
    answers.map(({ exportName }) => exportName),
    ['export 1', 'export 2'],
  );
  connection.close();
  await connection.ended;
});

test('a refusal keeps its code, and the connection goes on', async (context) => {
  let questions = 0;
  const listener = await listen(
    context,
    greetAndAnswer((id) =>
      questions++ === 0
        ? { type: 'error', id, code: 'GRANT_TAKEN', message: 'sda is written by another job' }
        : { type: 'granted', id, exportName: 'x' },
    ),
  );
  const connection = await openControlConnection(at(listener));
  await assert.rejects(connection.ask(GRANT, 'granted'), { code: 'GRANT_TAKEN', message: /another job/ });
  assert.equal((await connection.ask(GRANT, 'granted')).exportName, 'x');
  connection.close();
});

test('an answer of another kind is refused', async (context) => {
  const listener = await listen(
    context,
    greetAndAnswer((id) => ({ type: 'grant-ended', id })),
  );
  const connection = await openControlConnection(at(listener));
  await assert.rejects(connection.ask(GRANT, 'granted'), {
    code: 'CONTROL_FAILED',
    message: /it answered grant-ended where granted belongs/,
  });
  connection.close();
});

test('a client that does not greet, or does not answer, is given up in time', async (context) => {
  // The time passes when the other side has heard, however long that takes.
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const timeoutMs = 60_000;
  const expected = { code: 'CONTROL_FAILED', message: /no answer for 60 s/ };
  const connected = Promise.withResolvers<void>();
  const silent = await listen(context, () => connected.resolve());
  const refused = assert.rejects(openControlConnection(at(silent), { timeoutMs }), expected);
  await connected.promise;
  context.mock.timers.tick(timeoutMs);
  await refused;
  const asked = Promise.withResolvers<void>();
  const lazy = await listen(
    context,
    greetAndAnswer(() => {
      asked.resolve();
      return undefined;
    }),
  );
  const connection = await openControlConnection(at(lazy), { timeoutMs });
  const unanswered = assert.rejects(connection.ask(GRANT, 'granted'), expected);
  await asked.promise;
  context.mock.timers.tick(timeoutMs);
  await unanswered;
  connection.close();
});

test('a stranger, and a client of another version, are refused', async (context) => {
  for (const change of [{ product: 'other' }, { protocol: 99 }]) {
    const listener = await listen(context, (socket) =>
      socket.send(JSON.stringify({ ...helloMessage('1'), ...change })),
    );
    await assert.rejects(openControlConnection(at(listener)), { code: 'CONTROL_INCOMPATIBLE' });
  }
});

test('a message that is wrong ends the connection, one that is not known does not', async (context) => {
  const listener = await listen(context, (socket) => {
    socket.send('{"type":"news","from":"the future"}');
    socket.send(HELLO);
    socket.on('message', () => socket.send('{"type":"granted","id":1}'));
  });
  const connection = await openControlConnection(at(listener));
  await assert.rejects(connection.ask(GRANT, 'granted'), { code: 'CONTROL_FAILED', message: /exportName/ });
  await connection.ended;
});

test('the end of the connection is told to who waits, and to who asks later', async (context) => {
  const listener = await listen(context, (socket) => {
    socket.send(HELLO);
    socket.on('message', () => socket.terminate());
  });
  const connection = await openControlConnection(at(listener));
  const closed = { code: 'CONTROL_FAILED', message: /it was closed/ };
  await assert.rejects(connection.ask(GRANT, 'granted'), closed);
  await connection.ended;
  await assert.rejects(connection.ask(GRANT, 'granted'), closed);
});

test('a signal ends the connection with its reason, before and after the greeting', async (context) => {
  const reason = new Error('interrupted');
  const silent = await listen(context, () => {});
  const early = new AbortController();
  const opening = openControlConnection(at(silent), { signal: early.signal });
  early.abort(reason);
  await assert.rejects(opening, reason);
  const lazy = await listen(
    context,
    greetAndAnswer(() => undefined),
  );
  const late = new AbortController();
  const connection = await openControlConnection(at(lazy), { signal: late.signal });
  const asking = connection.ask(GRANT, 'granted');
  late.abort(reason);
  await assert.rejects(asking, reason);
  await connection.ended;
});

test('with TLS the client is known by its key', async (context) => {
  const listener = await listen(
    context,
    greetAndAnswer((id) => ({ type: 'grant-ended', id })),
    { secure: true },
  );
  const tls = clientTls(server, computer.fingerprint);
  const connection = await openControlConnection(at(listener), { tls });
  assert.equal(connection.secured?.getProtocol(), 'TLSv1.3');
  await connection.ask({ type: 'end-grant', disk: 'sda' }, 'grant-ended');
  connection.close();
});

test('a client with another key than the pinned one is refused, and is told nothing', async (context) => {
  const listener = await listen(
    context,
    greetAndAnswer((id) => ({ type: 'grant-ended', id })),
    { secure: true },
  );
  const tls = clientTls(server, server.fingerprint);
  await assert.rejects(openControlConnection(at(listener), { tls }), { code: 'PEER_CHANGED' });
  assert.deepEqual(listener.received, []);
});

test('where one side speaks plain text and the other TLS, the message says what to change', async (context) => {
  const plain = await listen(context, (socket) => socket.send(HELLO));
  await assert.rejects(openControlConnection(at(plain), { tls: clientTls(server, computer.fingerprint) }), {
    code: 'CONTROL_FAILED',
    message: /give --insecure here too/,
  });
  const secure = await listen(context, (socket) => socket.send(HELLO), { secure: true });
  await assert.rejects(openControlConnection(at(secure)), {
    code: 'CONTROL_FAILED',
    message: /leave out --insecure here/,
  });
});

test('where nobody listens, the message says what to look for', async () => {
  await assert.rejects(openControlConnection({ host: '127.0.0.1', port: 1 }), {
    code: 'CONTROL_FAILED',
    message: /127\.0\.0\.1 port 1 does not work: .*ECONNREFUSED.*booted from diskferry's CD/,
  });
});

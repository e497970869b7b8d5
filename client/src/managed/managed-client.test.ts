import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createAuthority, issueCertificate } from '@diskferry/trust/authority';
import { createIdentity } from '@diskferry/trust/identity';
import { type WebSocket, WebSocketServer } from 'ws';
import { managedAccess } from './managed-access.ts';
import { type ManagedClient, type OpenedChannel, startManagedClient } from './managed-client.ts';

/** Far more than any wait needs, counted from its beginning; a test that waits so long has failed. */
const bound = () => ({ signal: AbortSignal.timeout(60_000) });
const authority = await createAuthority('test authority');
const certified = await issueCertificate(authority, { commonName: 'server', hosts: ['127.0.0.1'] });
const identity = await createIdentity('client');

interface Message {
  readonly type: string;
  readonly id?: number;
  readonly code?: string;
}

/** A server that does just what a test wants, with a client that dials it until the test ends. */
class Scene {
  readonly client: ManagedClient;
  readonly channels: Socket[] = [];
  readonly served: OpenedChannel[] = [];
  readonly #connections: Conversation[] = [];
  #onConnection: () => void = () => {};

  constructor(port: number, onServed: (channel: OpenedChannel) => Promise<void>) {
    const server = { host: '127.0.0.1', port };
    this.client = startManagedClient({
      settings: { server, authority: authority.certificate, secret: 'lab.secret' },
      identity,
      control: {
        version: '1.2.3',
        readInventory: () => assert.fail('nobody asked'),
        listDisks: () => [],
        access: managedAccess(server),
      },
      serveDisks: async (channel) => {
        this.served.push(channel);
        await onServed(channel);
      },
    });
  }

  accept(socket: WebSocket): void {
    this.#connections.push(new Conversation(socket));
    this.#onConnection();
  }

  /** The next control connection. */
  async connection(): Promise<Conversation> {
    while (this.#connections.length === 0) {
      await new Promise<void>((resolve) => (this.#onConnection = resolve));
    }
    return this.#connections.shift() as Conversation;
  }
}

class Conversation {
  readonly socket: WebSocket;
  readonly #messages: Message[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.#messages.push(JSON.parse(data.toString()) as Message));
  }

  async next(): Promise<Message> {
    while (this.#messages.length === 0) await once(this.socket, 'message', bound());
    return this.#messages.shift() as Message;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }
}

/** Reads until either side ends the session. */
async function serveNothing({ stream, shutdown }: OpenedChannel): Promise<void> {
  shutdown.addEventListener('abort', () => stream.end());
  await once(stream.resume(), 'close');
}

async function play(
  context: TestContext,
  onServed: (channel: OpenedChannel) => Promise<void> = serveNothing,
): Promise<Scene> {
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer({ key: certified.key, cert: certified.certificate });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/clients/control') {
      // In the same turn, so that the client's first words are heard.
      sockets.handleUpgrade(request, socket, head, (connection) => scene.accept(connection));
      return;
    }
    socket.on('error', () => {});
    scene.channels.push(socket as Socket);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: nbd\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const scene = new Scene((server.address() as AddressInfo).port, onServed);
  context.after(async () => {
    await scene.client.close();
    server.close();
  });
  return scene;
}

test('the client says hello first, and shows that it is connected', async (context) => {
  const scene = await play(context);
  const conversation = await scene.connection();
  assert.deepEqual(await conversation.next(), {
    type: 'hello',
    protocol: 1,
    product: 'diskferry',
    version: '1.2.3',
  });
  assert.equal(scene.client.state.isConnected, true);
  assert.equal(scene.client.state.trouble, undefined);
});

test('a channel is dialled and served for the disk that was named, before it is confirmed', async (context) => {
  const scene = await play(context);
  const conversation = await scene.connection();
  await conversation.next();
  conversation.send({ type: 'open-channel', id: 5, channel: 'abc', disk: 'sda' });
  assert.deepEqual(await conversation.next(), { type: 'channel-opened', id: 5 });
  assert.equal(scene.served[0]?.disk, 'sda');
  assert.equal(scene.channels.length, 1);
});

test('more channels than a small computer can serve are refused, and one that ends makes room', async (context) => {
  const scene = await play(context);
  const conversation = await scene.connection();
  await conversation.next();
  for (let id = 1; id <= 64; id++) {
    conversation.send({ type: 'open-channel', id, channel: `c${id}` });
    assert.equal((await conversation.next()).type, 'channel-opened');
  }
  conversation.send({ type: 'open-channel', id: 65, channel: 'c65' });
  const refusal = await conversation.next();
  assert.equal(refusal.type, 'error');
  assert.equal(refusal.id, 65);
  assert.equal(scene.channels.length, 64);
  const [first] = scene.served;
  scene.channels[0]?.destroy();
  if (first?.stream.closed === false) await once(first.stream, 'close', bound());
  conversation.send({ type: 'open-channel', id: 66, channel: 'c66' });
  assert.equal((await conversation.next()).type, 'channel-opened');
});

test('a session that breaks harms neither the client nor its other sessions', async (context) => {
  const scene = await play(context, async (channel) => {
    const broken = once(channel.stream, 'data').then(() => Promise.reject(new Error('broken')));
    await Promise.race([broken, serveNothing(channel)]);
  });
  const conversation = await scene.connection();
  await conversation.next();
  conversation.send({ type: 'open-channel', id: 1, channel: 'a' });
  await conversation.next();
  conversation.send({ type: 'open-channel', id: 2, channel: 'b' });
  await conversation.next();
  const [broken, other] = scene.channels as [Socket, Socket];
  broken.write('x');
  await once(broken.resume(), 'close', bound());
  assert.equal(other.readyState, 'open');
  assert.equal(scene.client.state.isConnected, true);
});

test('a connection that ends is dialled again; the reason is shown without steering the terminal', async (context) => {
  const scene = await play(context);
  const first = await scene.connection();
  await first.next();
  first.socket.close(1001, 'its enrolment was revoked\u001B[2J');
  await once(first.socket, 'close', bound());
  while (scene.client.state.trouble === undefined) await new Promise(setImmediate);
  assert.match(scene.client.state.trouble, /ended the connection: its enrolment was revoked \[2J$/);
  const second = await scene.connection();
  assert.equal((await second.next()).type, 'hello');
  assert.equal(scene.client.state.trouble, undefined);
});

test('closing the client ends its connections and its sessions', async (context) => {
  const scene = await play(context, async ({ stream, shutdown }) => {
    await once(shutdown, 'abort');
    stream.end();
  });
  const conversation = await scene.connection();
  await conversation.next();
  conversation.send({ type: 'open-channel', id: 1, channel: 'a' });
  await conversation.next();
  const [channel] = scene.channels as [Socket];
  const ended = [once(conversation.socket, 'close', bound()), once(channel.resume(), 'close', bound())];
  await scene.client.close();
  await Promise.all(ended);
});

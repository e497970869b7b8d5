import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import {
  type ClientMessage,
  helloMessage,
  parseServerMessage,
  serialiseControlMessage,
  type ServerMessage,
} from '@diskferry/protocol/control';
import { type OwnAddress, ownAddress } from '@diskferry/protocol/nbd/testing/own-address';
import { type WebSocket, WebSocketServer } from 'ws';
import { ClientGrant } from './client-grant.ts';

type Asked = Extract<ServerMessage, { readonly type: 'grant-write' | 'end-grant' }>;
type Answer = (asked: Asked, connection: number) => ClientMessage | 'hang up';

const EXPORT = 'sda;grant=abc';

/** An imaging client as far as grants go, which answers as a test wants and writes down what it was asked. */
async function startClient(
  context: TestContext,
  { address = ownAddress(), answer = give }: { address?: OwnAddress; answer?: Answer } = {},
) {
  const server = new WebSocketServer(address);
  await once(server, 'listening');
  const sockets: WebSocket[] = [];
  const asked: Asked[] = [];
  let heard = Promise.withResolvers<void>();
  server.on('connection', (socket) => {
    const connection = sockets.push(socket);
    socket.send(serialiseControlMessage(helloMessage('0.1.0')));
    socket.on('message', (data: Buffer) => {
      const message = parseServerMessage(data) as Asked;
      asked.push(message);
      const reply = answer(message, connection);
      if (reply === 'hang up') socket.terminate();
      else socket.send(serialiseControlMessage(reply));
      heard.resolve();
      heard = Promise.withResolvers<void>();
    });
  });
  async function stop(): Promise<void> {
    for (const socket of sockets) socket.terminate();
    await new Promise((resolve) => server.close(resolve));
  }
  context.after(stop);
  return {
    address,
    sockets,
    asked,
    stop,
    /** Resolves when so many questions have come. */
    async questions(count: number): Promise<void> {
      while (asked.length < count) await heard.promise;
    },
  };
}

function give(asked: Asked): ClientMessage {
  if (asked.type === 'end-grant') return { type: 'grant-ended', id: asked.id };
  return { type: 'granted', id: asked.id, exportName: EXPORT };
}

function refuse({ id }: Asked): ClientMessage {
  return { type: 'error', id, code: 'GRANT_TAKEN', message: 'sda is written by job deploy-8' };
}

async function take(
  context: TestContext,
  address: OwnAddress,
  onRefusal: (reason: Error) => void = (reason) => assert.fail(reason),
): Promise<ClientGrant> {
  const grant = await ClientGrant.take(
    { control: address, tls: undefined, disk: 'sda' },
    { job: 'deploy-7', description: 'web.qcow2', onRefusal },
  );
  context.after(() => grant.giveBack());
  return grant;
}

describe('the right to write to a disk of an imaging client', () => {
  test('is asked for with job and description, and given back by the name of the disk', async (context) => {
    const client = await startClient(context);
    const grant = await take(context, client.address);
    assert.equal(grant.exportName, EXPORT);
    await grant.giveBack();
    const [first, last] = client.asked;
    assert.deepEqual(first, {
      type: 'grant-write',
      id: first?.id,
      disk: 'sda',
      job: 'deploy-7',
      description: 'web.qcow2',
    });
    assert.deepEqual(last, { type: 'end-grant', id: last?.id, disk: 'sda' });
  });

  test('is refused in the words of the client', async (context) => {
    const client = await startClient(context, { answer: refuse });
    await assert.rejects(take(context, client.address), { code: 'GRANT_TAKEN', message: /job deploy-8/ });
  });

  test('is asked for again, for the same job, when the connection is lost', async (context) => {
    const client = await startClient(context);
    await take(context, client.address);
    client.sockets[0]?.terminate();
    await client.questions(2);
    assert.deepEqual(
      client.asked.map((asked) => asked.type === 'grant-write' && asked.job),
      ['deploy-7', 'deploy-7'],
    );
    assert.equal(client.sockets.length, 2);
  });

  test('is asked for until a client that was started anew answers', async (context) => {
    const first = await startClient(context);
    const grant = await take(context, first.address);
    await first.stop();
    const second = await startClient(context, {
      address: first.address,
      answer: ({ id }) => ({ type: 'granted', id, exportName: 'sda;grant=new' }),
    });
    await second.questions(1);
    assert.equal(await grant.renew(new AbortController().signal), 'sda;grant=new');
  });

  test('is not asked for again once the client has refused it, and whoever holds it is told', async (context) => {
    const client = await startClient(context, {
      answer: (asked, connection) => (connection === 1 ? give(asked) : refuse(asked)),
    });
    const refused = Promise.withResolvers<Error>();
    await take(context, client.address, refused.resolve);
    client.sockets[0]?.terminate();
    assert.match((await refused.promise).message, /was not given again: sda is written by job deploy-8/);
    assert.equal(client.sockets.length, 2);
  });

  test('is renewed over a new connection, because the old one may be dead, and that one is closed', async (context) => {
    const client = await startClient(context);
    const grant = await take(context, client.address);
    const [old] = client.sockets;
    const closed = once(old as WebSocket, 'close');
    assert.equal(await grant.renew(new AbortController().signal), EXPORT);
    await closed;
    assert.equal(client.sockets.length, 2);
  });

  test('is not waited for after an abort', async (context) => {
    let isFirst = true;
    const client = await startClient(context, {
      // A second question is answered with a message that nobody asked for, so that the asker goes on waiting.
      answer: (asked) => {
        if (!isFirst) return { type: 'grant-ended', id: asked.id + 1000 };
        isFirst = false;
        return give(asked);
      },
    });
    const grant = await take(context, client.address);
    const enough = new AbortController();
    const renewed = grant.renew(enough.signal);
    await client.questions(2);
    enough.abort(new Error('the user had enough'));
    await assert.rejects(renewed, /the user had enough/);
  });

  test('can be given back while the client is away', async (context) => {
    const client = await startClient(context);
    const grant = await take(context, client.address);
    await client.stop();
    await grant.giveBack();
  });
});

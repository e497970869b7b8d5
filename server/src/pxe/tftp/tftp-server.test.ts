import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { startTftpServer } from './tftp-server.ts';

const HOST = '127.0.0.1';
/** More blocks of 8 bytes than there are numbers. */
const LONG = randomBytes(8 * 65_536 + 21);
const FILES: Readonly<Record<string, Buffer>> = {
  short: Buffer.from('some words'),
  even: randomBytes(16),
  empty: Buffer.alloc(0),
  long: LONG,
};
const DATA = 3;
const ERROR = 5;

async function open(context: TestContext, serves = true) {
  const port = await freePort();
  const sent: string[] = [];
  const server = await startTftpServer({
    address: HOST,
    port,
    serves: () => serves,
    open: async (name) => {
      const bytes = FILES[name];
      if (bytes === undefined) return undefined;
      async function* read(): AsyncGenerator<Buffer> {
        // Pieces that fit no block.
        for (let at = 0; at < (bytes?.length ?? 0); at += 1001) yield bytes!.subarray(at, at + 1001);
      }
      return { bytes: bytes.length, read };
    },
    onSent: async (name) => void sent.push(name),
    onNote: (text) => assert.fail(text),
  });
  const socket = createSocket('udp4');
  socket.bind({ address: HOST });
  await once(socket, 'listening');
  context.after(async () => {
    socket.close();
    await server.close();
  });
  const ask = (name: string, ...options: string[]): void => {
    const words = [name, 'octet', ...options].map((word) => `${word}\0`).join('');
    socket.send(Buffer.from(`\0\u0001${words}`), port, HOST);
  };
  return { socket, ask, sent };
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind({ address: HOST });
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

async function receive(socket: Socket): Promise<{ message: Buffer; from: RemoteInfo }> {
  const [message, from] = (await once(socket, 'message')) as [Buffer, RemoteInfo];
  return { message, from };
}

const acknowledgement = (block: number): Buffer => Buffer.from([0, 4, block >> 8, block & 0xff]);

/** Loads as a plain client: acknowledges what comes in order, and the options. */
async function load(socket: Socket, blockBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let expected = 0; ; ) {
    const { message, from } = await receive(socket);
    const block = message.readUInt16BE(2);
    if (message[1] !== DATA) {
      socket.send(acknowledgement(0), from.port, HOST);
      continue;
    }
    socket.send(acknowledgement(block), from.port, HOST);
    if (block !== (expected + 1) % 65_536) continue;
    expected = block;
    pieces.push(message.subarray(4));
    if (message.length - 4 < blockBytes) return Buffer.concat(pieces);
  }
}

test('files of any length arrive, and it is told when they have', async (context) => {
  const { socket, ask, sent } = await open(context);
  for (const name of ['short', 'even', 'empty', 'long']) {
    ask(name, 'blksize', '8');
    assert.deepEqual(await load(socket, 8), FILES[name]);
  }
  // The last acknowledgement is on its way.
  for (const end = Date.now() + 30_000; sent.length < 4 && Date.now() < end; ) await setImmediately();
  assert.deepEqual(sent, ['short', 'even', 'empty', 'long']);
});

test('without options a block has 512 bytes', async (context) => {
  const { socket, ask } = await open(context);
  ask('long');
  const { message } = await receive(socket);
  assert.deepEqual(message, Buffer.concat([Buffer.from([0, 3, 0, 1]), LONG.subarray(0, 512)]));
});

test('a block that nobody acknowledges comes again; an old acknowledgement changes nothing', async (context) => {
  const { socket, ask } = await open(context);
  ask('long');
  const first = await receive(socket);
  socket.send(acknowledgement(0), first.from.port, HOST);
  const again = await receive(socket);
  assert.deepEqual(again.message, first.message);
  socket.send(acknowledgement(1), first.from.port, HOST);
  assert.equal((await receive(socket)).message.readUInt16BE(2), 2);
});

test('a client that breaks off is not told as one that has the file', async (context) => {
  const { socket, ask, sent } = await open(context);
  ask('long');
  const { from } = await receive(socket);
  socket.send(Buffer.from('\0\u0005\0\0enough\0'), from.port, HOST);
  ask('short');
  assert.deepEqual(await load(socket, 512), FILES['short']);
  for (const end = Date.now() + 30_000; sent.length === 0 && Date.now() < end; ) await setImmediately();
  assert.deepEqual(sent, ['short']);
});

test('what is not there is said, as is what is no request', async (context) => {
  const { socket, ask } = await open(context);
  ask('nothing');
  const { message } = await receive(socket);
  assert.deepEqual([message[1], message[3]], [ERROR, 1]);
});

test('a machine that is not served gets no answer', async (context) => {
  const closed = await open(context, false);
  closed.ask('short');
  const served = await open(context);
  served.ask('short');
  await receive(served.socket);
  closed.socket.on('message', () => assert.fail('it was answered'));
});

async function setImmediately(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}

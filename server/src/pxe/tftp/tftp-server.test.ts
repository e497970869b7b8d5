import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { startTftpServer, type TftpServer, type TftpServerOptions } from './tftp-server.ts';

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

interface Client {
  readonly socket: Socket;
  readonly ask: (name: string, ...options: string[]) => void;
}

async function open(context: TestContext, serves = true) {
  const sent: string[] = [];
  const { server, port } = await startAtFreePort({
    address: HOST,
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
  context.after(() => server.close());
  /** One for each file: what comes late of another transfer, and a server that has not ended that yet, do not matter to it. */
  const newClient = async (): Promise<Client> => {
    const socket = createSocket('udp4');
    socket.bind({ address: HOST });
    await once(socket, 'listening');
    context.after(() => socket.close());
    const ask = (name: string, ...options: string[]): void => {
      const words = [name, 'octet', ...options].map((word) => `${word}\0`).join('');
      socket.send(Buffer.from(`\0\u0001${words}`), port, HOST);
    };
    return { socket, ask };
  };
  return { ...(await newClient()), newClient, sent };
}

/** A port that was free may be another program's a moment later. */
async function startAtFreePort(
  options: Omit<TftpServerOptions, 'port'>,
): Promise<{ server: TftpServer; port: number }> {
  for (;;) {
    const port = await freePort();
    try {
      return { server: await startTftpServer({ ...options, port }), port };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
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

// 65,000 blocks, each acknowledged before the next: some seconds, and many where the machine has other work.
test('files of any length arrive, and it is told when they have', { timeout: 600_000 }, async (context) => {
  const { newClient, sent } = await open(context);
  for (const name of ['short', 'even', 'empty', 'long']) {
    const { socket, ask } = await newClient();
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
  // The first one may have come once more in the meantime.
  let block = 1;
  while (block === 1) block = (await receive(socket)).message.readUInt16BE(2);
  assert.equal(block, 2);
});

test('a client that breaks off is not told as one that has the file', async (context) => {
  const { socket, ask, newClient, sent } = await open(context);
  ask('long');
  const { from } = await receive(socket);
  socket.send(Buffer.from('\0\u0005\0\0enough\0'), from.port, HOST);
  const other = await newClient();
  other.ask('short');
  assert.deepEqual(await load(other.socket, 512), FILES['short']);
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

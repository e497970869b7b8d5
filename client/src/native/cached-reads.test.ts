import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CachedReads } from './cached-reads.ts';

const SIZE = 8 * 1024 * 1024;
const HEADER = Buffer.from('2545960000000000', 'hex');
const folder = mkdtempSync(join(tmpdir(), 'diskferry-cached-'));
after(() => rm(folder, { recursive: true }));

interface OpenFile extends Disposable {
  readonly content: Buffer;
  readonly reads: CachedReads;
}

/** A file that was just written, and so lies in memory. */
function openCachedFile(name: string): OpenFile {
  const path = join(folder, name);
  const content = randomBytes(SIZE);
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  const reads = CachedReads.of(fd, path, SIZE);
  assert.ok(reads !== undefined, 'native calls are part of the Node that the tests run on');
  return {
    content,
    reads,
    [Symbol.dispose]: () => {
      reads.close();
      closeSync(fd);
    },
  };
}

interface Pair extends AsyncDisposable {
  readonly from: Socket;
  readonly to: Socket;
  /** The descriptor that bytes are sent on. */
  readonly fd: number;
}

/** Two ends of a connection; nothing is read at `to` until the test does. */
async function connectPair(): Promise<Pair> {
  const path = join(folder, `${randomBytes(4).toString('hex')}.sock`);
  const server = createServer({ pauseOnConnect: true }).listen(path);
  await once(server, 'listening');
  const from = connect(path);
  const [[to]] = (await Promise.all([once(server, 'connection'), once(from, 'connect')])) as [
    [Socket],
    unknown,
  ];
  const { _handle: handle } = from as unknown as { _handle: { fd: number } };
  const { fd } = handle;
  return {
    from,
    to,
    fd,
    [Symbol.asyncDispose]: async () => {
      from.destroy();
      to.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

test('bytes in memory are read at once', () => {
  using file = openCachedFile('read');
  const target = Buffer.alloc(5000);
  assert.equal(file.reads.read(4096 + 512, target), true);
  assert.deepEqual(target, file.content.subarray(4096 + 512, 4096 + 512 + 5000));
});

test('a read that goes behind the end of the file is not answered', () => {
  using file = openCachedFile('end');
  assert.equal(file.reads.read(SIZE - 512, Buffer.alloc(1024)), false);
});

test('a header and a range arrive in one piece', async () => {
  using file = openCachedFile('send');
  await using pair = await connectPair();
  const [offset, length] = [1024 * 1024 + 512, 64 * 1024];
  assert.equal(file.reads.send(pair.fd, HEADER, offset, length), HEADER.length + length);
  pair.from.end();
  const expected = Buffer.concat([HEADER, file.content.subarray(offset, offset + length)]);
  assert.deepEqual(await received(pair.to), expected);
});

test('what a full socket does not take is left to the caller, who can go on from there', async () => {
  using file = openCachedFile('full');
  await using pair = await connectPair();
  const taken = file.reads.send(pair.fd, HEADER, 0, SIZE);
  assert.ok(taken > HEADER.length && taken < HEADER.length + SIZE, `${taken} bytes were taken`);
  assert.equal(file.reads.send(pair.fd, HEADER, 0, SIZE), 0, 'the socket is full');
  pair.from.end(file.content.subarray(taken - HEADER.length));
  assert.deepEqual(await received(pair.to), Buffer.concat([HEADER, file.content]));
});

test('a peer that has gone takes nothing, and does not end the program', async () => {
  using file = openCachedFile('gone');
  await using pair = await connectPair();
  pair.to.destroy();
  pair.from.on('error', () => {});
  await once(pair.to, 'close');
  assert.equal(file.reads.send(pair.fd, HEADER, 0, 4096), 0);
});

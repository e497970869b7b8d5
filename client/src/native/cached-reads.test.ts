import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CachedReads } from './cached-reads.ts';

const MiB = 1024 * 1024;
/** More than is mapped at a time. */
const SIZE = 40 * MiB;
const HEADER = Buffer.from('2545960000000000', 'hex');
const folder = mkdtempSync(join(tmpdir(), 'diskferry-cached-'));
after(() => rm(folder, { recursive: true }));

interface OpenFile extends Disposable {
  readonly path: string;
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
    path,
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
  const [offset, length] = [MiB + 512, 64 * 1024];
  assert.equal(file.reads.send(pair.fd, HEADER, offset, length), HEADER.length + length);
  pair.from.end();
  const expected = Buffer.concat([HEADER, file.content.subarray(offset, offset + length)]);
  assert.deepEqual(await received(pair.to), expected);
});

test('what a full socket does not take is left to the caller, who can go on from there', async () => {
  using file = openCachedFile('full');
  await using pair = await connectPair();
  const length = 3 * MiB;
  const taken = file.reads.send(pair.fd, HEADER, 0, length);
  assert.ok(taken > HEADER.length && taken < HEADER.length + length, `${taken} bytes were taken`);
  assert.equal(file.reads.send(pair.fd, HEADER, 0, length), 0, 'the socket is full');
  pair.from.end(file.content.subarray(taken - HEADER.length, length));
  assert.deepEqual(await received(pair.to), Buffer.concat([HEADER, file.content.subarray(0, length)]));
});

test('ranges at any place of a large file arrive as they are', async () => {
  using file = openCachedFile('places');
  for (const [offset, length] of [
    [0, 4096],
    [7 * MiB + 100, 2 * MiB],
    [39 * MiB, MiB],
    [SIZE - 512, 512],
    [20 * MiB - 512, 1024],
    [9 * MiB, 65_536],
    [3 * MiB + 4095, 2],
  ] as const) {
    await using pair = await connectPair();
    const taken = file.reads.send(pair.fd, HEADER, offset, length);
    assert.ok(taken > HEADER.length, `${length} bytes at ${offset}`);
    pair.from.end();
    const expected = Buffer.concat([HEADER, file.content.subarray(offset, offset + length)]);
    assert.deepEqual(await received(pair.to), expected.subarray(0, taken));
  }
});

test('little of a file is mapped at a time, and nothing after the end', async () => {
  const mapped = (path: string): number => {
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
    return maps
      .filter((line) => line.endsWith(path))
      .map(
        (line) =>
          line
            .split(' ')[0]
            ?.split('-')
            .map((address) => Number.parseInt(address, 16)) ?? [],
      )
      .reduce((sum, [start = 0, end = 0]) => sum + end - start, 0);
  };
  const file = openCachedFile('mapped');
  await using pair = await connectPair();
  pair.to.resume();
  for (let offset = 0; offset < SIZE; offset += 5 * MiB) file.reads.send(pair.fd, HEADER, offset, 4096);
  assert.ok(mapped(file.path) > 0 && mapped(file.path) <= 16 * MiB, `${mapped(file.path)} bytes are mapped`);
  file[Symbol.dispose]();
  assert.equal(mapped(file.path), 0);
});

test('zeros behind the end of a file that was cut short are not taken for its bytes', async () => {
  using file = openCachedFile('cut');
  await using pair = await connectPair();
  truncateSync(file.path, MiB + 512);
  assert.equal(file.reads.send(pair.fd, HEADER, MiB, 4096), 0);
  assert.equal(file.reads.send(pair.fd, HEADER, 2 * MiB, 4096), 0);
  assert.equal(file.reads.has(MiB, 4096), false);
  assert.equal(file.reads.has(MiB, 512), true);
  assert.equal(file.reads.send(pair.fd, HEADER, MiB, 512), HEADER.length + 512);
});

test('a peer that has gone takes nothing, and does not end the program', async () => {
  using file = openCachedFile('gone');
  await using pair = await connectPair();
  pair.to.destroy();
  pair.from.on('error', () => {});
  await once(pair.to, 'close');
  assert.equal(file.reads.send(pair.fd, HEADER, 0, 4096), 0);
});

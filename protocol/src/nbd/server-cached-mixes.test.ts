import assert from 'node:assert/strict';
import { writevSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import type { Disk, DiskCache } from '../disk.ts';
import { DiskError } from '../disk.ts';
import { MemoryDisk } from '../memory-disk.ts';
import { connectNbdOver } from './client.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { serveConnection } from './server.ts';
import { encodeClientFlags } from './handshake.ts';
import { chunk, enter, go, optionReplies, request, simpleReply } from './testing/conversation.ts';
import { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, connectInMemory, listen, pattern } from './testing/server-setup.ts';

const KIB = 1024;
const SIZE = 4 * 1024 * KIB;
const BYTES = Buffer.from(pattern(SIZE));

function copyTo(offset: number, target: Uint8Array): void {
  target.set(BYTES.subarray(offset, offset + target.length));
}

/** How many bytes a socket takes now. */
function sendTo(socket: number, ...parts: readonly Uint8Array[]): number {
  try {
    return writevSync(socket, parts);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

/** A cache that has everything. */
function fullCache(changes: Partial<DiskCache> = {}): DiskCache {
  return {
    has: () => true,
    read: (offset, target) => {
      copyTo(offset, target);
      return true;
    },
    send: (socket, header, offset, length) => sendTo(socket, header, BYTES.subarray(offset, offset + length)),
    ...changes,
  };
}

const EMPTY_CACHE: DiskCache = { has: () => false, read: () => false, send: () => 0 };
const readBytes: Disk['read'] = async (offset, target) => copyTo(offset, target);
const failToRead: Disk['read'] = () => Promise.reject(new DiskError('EIO', 'a bad sector'));

function diskWith(cache: DiskCache, read: Disk['read'] = failToRead): Disk {
  return altered(new MemoryDisk(BYTES), { cache, read });
}

/** A client connected to a disk over a real socket. */
async function connectOverSocket(t: TestContext, disk: Disk): Promise<NbdDisk> {
  const catalog = catalogOf({ sda: disk });
  const port = await listen(t, (socket) => serveConnection(socket, () => ({ catalog })));
  const remote = await connectNbdOver(connect(port, '127.0.0.1'), { exportName: 'sda', peer: 'it' });
  t.after(() => remote.close());
  return remote;
}

async function assertReads(disk: NbdDisk, ranges: readonly (readonly [number, number])[]): Promise<void> {
  const targets = ranges.map(([offset, length]) => ({ offset, target: Buffer.alloc(length) }));
  await Promise.all(targets.map(({ offset, target }) => disk.read(offset, target)));
  for (const { offset, target } of targets) {
    const expected = BYTES.subarray(offset, offset + target.length);
    assert.equal(target.equals(expected), true, `${target.length} bytes at ${offset}`);
  }
}

/** Short and long ones, also longer than a piece. */
const MIXED = Array.from({ length: 140 }, (_, index) => {
  const length = [512, 4096, 31 * KIB, 32 * KIB, 100 * KIB, 1024 * KIB, 1500 * KIB][index % 7] as number;
  return [(index * 37 * 512) % (SIZE - length), length] as const;
});

describe('a short read of what lies in memory', () => {
  test('does not reach the disk', async (t) => {
    const disk = await connectInMemory(t, diskWith(fullCache()));
    await assertReads(disk, [
      [0, 512],
      [4096, 4096],
      [SIZE - 512, 512],
    ]);
  });

  test('may begin and end anywhere, of clients that do not know the sectors', async (t) => {
    const { client } = await enter(t, diskWith(fullCache()));
    client.send(request({ cookie: 5n, offset: 700, length: 1000 }));
    assert.deepEqual(await simpleReply(client), { error: 0, cookie: 5n });
    assert.deepEqual(await client.receive(1000), BYTES.subarray(700, 1700));
  });

  test('is a chunk with structured replies', async (t) => {
    const { client } = await enter(t, diskWith(fullCache()), { structured: true });
    client.send(request({ cookie: 5n, offset: 512, length: 512 }));
    const { cookie, flags, payload } = await chunk(client);
    assert.deepEqual({ cookie, flags }, { cookie: 5n, flags: 1 });
    assert.deepEqual(payload.subarray(8), BYTES.subarray(512, 1024));
  });

  test('waits for memory like any other if there are very many', async (t) => {
    const disk = await connectInMemory(t, diskWith(fullCache()), { maxBytesInFlight: 8 * KIB });
    await assertReads(
      disk,
      Array.from({ length: 64 }, (_, index) => [index * 4096, 4096] as const),
    );
  });
});

describe('reads of all lengths at once', () => {
  test('are answered right from memory', async (t) => {
    await assertReads(await connectOverSocket(t, diskWith(fullCache())), MIXED);
  });

  test('are answered right where there is no socket to send to past the stream', async (t) => {
    const cache = fullCache({ send: () => assert.fail('there is no socket') });
    await assertReads(await connectInMemory(t, diskWith(cache)), MIXED);
  });

  test('are answered right whatever the socket takes at a time', async (t) => {
    const parts = [0, 5, 28, 1000, 0, 70_000, 1, 300_000];
    let call = 0;
    const cache = fullCache({
      send: (socket, header, offset, length) => {
        const all = Buffer.concat([header, BYTES.subarray(offset, offset + length)]);
        const part = parts[call++ % parts.length] as number;
        return part === 0 ? 0 : sendTo(socket, all.subarray(0, part));
      },
    });
    await assertReads(await connectOverSocket(t, diskWith(cache)), MIXED);
  });

  test('are read from the disk if nothing lies in memory', async (t) => {
    await assertReads(await connectOverSocket(t, diskWith(EMPTY_CACHE, readBytes)), MIXED);
  });

  test('go on from the disk where memory ends', async (t) => {
    // Of each 256 KiB, the last 64 KiB are not in memory.
    const inMemory = (offset: number): number => Math.max(0, 192 * KIB - (offset % (256 * KIB)));
    const full = fullCache();
    const cache: DiskCache = {
      has: (offset, length) => inMemory(offset) >= length,
      read: (offset, target) => inMemory(offset) >= target.length && full.read(offset, target),
      send: (socket, header, offset, length) => {
        const most = Math.min(length, inMemory(offset));
        return most === 0 ? 0 : full.send(socket, header, offset, most);
      },
    };
    await assertReads(await connectOverSocket(t, diskWith(cache, readBytes)), MIXED);
  });

  test('are errors of their own if the disk fails', async (t) => {
    const disk = await connectOverSocket(t, diskWith(EMPTY_CACHE));
    for (const length of [512, 64 * KIB]) {
      await assert.rejects(disk.read(0, Buffer.alloc(length)), { errno: 'EIO', message: /a bad sector/ });
    }
  });
});

/** A client in the transmission phase over a real socket. */
async function enterOverSocket(t: TestContext, port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  const client = new RawClient(socket);
  await client.receive(18);
  client.send(encodeClientFlags(3), go('sda'));
  await optionReplies(client);
  return client;
}

test('a connection whose requests are all answered at once lets others have their turn', async (t) => {
  const OTHERS = 1024 * KIB;
  const MANY = 500;
  const { promise: allSent, resolve } = Promise.withResolvers<void>();
  const sent: number[] = [];
  const send: DiskCache['send'] = (_socket, header, offset, length) => {
    sent.push(offset);
    if (sent.length === MANY + 1) resolve();
    return header.length + length;
  };
  const catalog = catalogOf({ sda: diskWith(fullCache({ send })) });
  const port = await listen(t, (socket) => serveConnection(socket, () => ({ catalog })));
  const busy = await enterOverSocket(t, port);
  const other = await enterOverSocket(t, port);
  busy.send(...Array.from({ length: MANY }, () => request({ length: 32 * KIB })));
  other.send(request({ offset: OTHERS, length: 32 * KIB }));
  await allSent;
  assert.ok(sent.indexOf(OTHERS) < MANY, `it waited for ${sent.indexOf(OTHERS)} requests of the other one`);
});

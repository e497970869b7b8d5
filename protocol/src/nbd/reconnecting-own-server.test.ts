import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryDisk } from '../memory-disk.ts';
import type { ExportedDisk } from './export-catalog.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { connectReconnectingNbd } from './reconnecting-disk.ts';
import { serveConnection } from './server.ts';
import { altered, listen } from './testing/server-setup.ts';
import { clientTls, serverSecureContext } from './testing/tls-keys.ts';

const WORKERS = 8;
const REGION_BYTES = 256 * 1024;
const BLOCK_BYTES = 512;
const OPERATIONS = 400;
/** Operations of all workers between two cuts. */
const CUT_EVERY = 700;

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Our own server with a disk that takes its time, and the connections that a test may cut. */
async function serve(t: TestContext, model: MemoryDisk): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const slowly = async (): Promise<void> => {
    await sleep(Math.random() * 4);
  };
  const disk: ExportedDisk = {
    ...altered(model, {
      read: async (offset, target) => {
        await slowly();
        return model.read(offset, target);
      },
      write: async (offset, data) => {
        // The data belongs to the caller only as long as the call lasts.
        const taken = Buffer.from(data);
        await slowly();
        return model.write(offset, taken);
      },
      close: async () => {},
    }),
    identity: '5eed',
  };
  const catalog = { list: async () => [], open: async () => disk };
  const tls = { secureContext: serverSecureContext(), required: true };
  const port = await listen(t, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    void serveConnection(socket, () => ({ catalog }), { tls });
  });
  return { port, sockets };
}

/** Random operations in a region that nobody else uses, each checked by what is read later. */
async function work(disk: NbdDisk, start: number, seed: number, onOperation: () => void): Promise<void> {
  const random = randomNumbers(seed);
  const model = Buffer.alloc(REGION_BYTES);
  const blocks = REGION_BYTES / BLOCK_BYTES;
  for (let count = 0; count < OPERATIONS; count++) {
    onOperation();
    const first = Math.floor(random() * blocks);
    const length = BLOCK_BYTES * (1 + Math.floor(random() * Math.min(64, blocks - first)));
    const at = first * BLOCK_BYTES;
    const kind = random();
    if (kind < 0.4) {
      const target = Buffer.alloc(length);
      await disk.read(start + at, target);
      assert.equal(target.compare(model, at, at + length), 0, `operation ${count} of seed ${seed}`);
    } else if (kind < 0.8) {
      const data = randomBytes(length);
      await disk.write(start + at, data, { fua: random() < 0.2 });
      data.copy(model, at);
    } else if (kind < 0.95) {
      await disk.writeZeroes(start + at, length, { mayPunch: random() < 0.5 });
      model.fill(0, at, at + length);
    } else {
      await disk.flush();
    }
  }
  const target = Buffer.alloc(REGION_BYTES);
  await disk.read(start, target);
  assert.equal(target.compare(model), 0, `at the end of seed ${seed}`);
}

test('random operations see no difference while connections are cut, one or all, under TLS', async (t) => {
  const served = new MemoryDisk(new Uint8Array(WORKERS * REGION_BYTES));
  const { port, sockets } = await serve(t, served);
  let losses = 0;
  const disk = await connectReconnectingNbd(
    { transport: 'tcp', host: '127.0.0.1', port, exportName: 'sda' },
    {
      connections: 4,
      tls: clientTls(),
      onInterruption: ({ kind }) => {
        if (kind === 'lost') losses++;
      },
    },
  );
  t.after(() => disk.close());
  let operations = 0;
  const cutSometimes = (): void => {
    operations++;
    if (operations % CUT_EVERY !== 0) return;
    const [first] = sockets;
    const isEven = (operations / CUT_EVERY) % 2 === 0;
    for (const socket of isEven ? sockets : [first]) socket?.resetAndDestroy();
  };
  const seed = 4711;
  await Promise.all(
    Array.from({ length: WORKERS }, (_, index) =>
      work(disk, index * REGION_BYTES, seed + index, cutSometimes),
    ),
  );
  assert.ok(losses >= 3, `${losses} losses`);
  assert.ok(served.bytes.some((byte) => byte !== 0));
});

test('a server of ours that is stopped kindly and started again is a delay, and no write is lost', async (t) => {
  const bytes = new Uint8Array(WORKERS * REGION_BYTES);
  const served: ExportedDisk = { ...altered(new MemoryDisk(bytes), {}), identity: '5eed' };
  const catalog = { list: async () => [], open: async () => served };
  let shutdown = new AbortController();
  let refusals = 0;
  const port = await listen(t, (socket) => {
    if (shutdown.signal.aborted && refusals++ < 2) socket.destroy();
    else {
      if (shutdown.signal.aborted) shutdown = new AbortController();
      void serveConnection(socket, () => ({ catalog }), { shutdown: shutdown.signal });
    }
  });
  const events: string[] = [];
  const disk = await connectReconnectingNbd(
    { transport: 'tcp', host: '127.0.0.1', port, exportName: 'sda' },
    { onInterruption: ({ kind }) => events.push(kind) },
  );
  t.after(() => disk.close());
  const blocks = bytes.length / 4096;
  for (let index = 0; index < blocks; index += 8) {
    if (index === blocks / 2) shutdown.abort();
    await Promise.all(
      Array.from({ length: 8 }, (_, step) =>
        disk.write((index + step) * 4096, Buffer.alloc(4096, 1 + ((index + step) % 255))),
      ),
    );
  }
  assert.deepEqual(events, ['lost', 'restored']);
  for (let index = 0; index < blocks; index++) assert.equal(bytes[index * 4096], 1 + (index % 255));
});

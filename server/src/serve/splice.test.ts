import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { splice } from './splice.ts';

const bound = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(60_000) });
const servers: Server[] = [];
after(() => servers.forEach((server) => server.close()));

/** A connected pair of sockets that may be closed one direction at a time. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection', bound()) as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const dialled = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  return [dialled, (await accepted)[0]];
}

/** All that comes, without touching the other direction, unlike `buffer` of stream/consumers. */
async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end', bound());
  return Buffer.concat(chunks);
}

/** Two ends whose bytes go through a splice. */
async function spliced(): Promise<{ near: Socket; far: Socket; done: Promise<void> }> {
  const [near, one] = await pair();
  const [far, other] = await pair();
  return { near, far, done: splice(one, other) };
}

test('bytes go both ways unchanged, and each end is passed on by itself', async () => {
  const { near, far, done } = await spliced();
  const question = randomBytes(3 * 1024 * 1024);
  const answer = randomBytes(2 * 1024 * 1024);
  near.end(question);
  assert.deepEqual(await received(far), question);
  // One direction has ended; the other still carries.
  far.end(answer);
  assert.deepEqual(await received(near), answer);
  await done;
});

test('a side that takes nothing stops the other one', async () => {
  let taken = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const flood = new Duplex({
    read: () => {
      taken++;
      flood.push(chunk);
    },
    write: (_chunk, _encoding, done) => done(),
  });
  const stuck = new Duplex({ read: () => {}, write: () => {} });
  const done = splice(flood, stuck);
  for (let turn = 0; turn < 1000; turn++) await setImmediate();
  assert.ok(taken < 100, `${taken} chunks were taken from the one although the other takes none`);
  flood.destroy();
  await done;
  assert.ok(stuck.destroyed);
});

test('a connection that is reset takes the other one with it', async () => {
  for (const side of ['near', 'far'] as const) {
    const ends = await spliced();
    const survivor = ends[side === 'near' ? 'far' : 'near'];
    survivor.on('error', () => {}).on('end', () => survivor.end());
    survivor.resume();
    const closed = once(survivor, 'close', bound());
    ends[side].resetAndDestroy();
    await closed;
    await ends.done;
  }
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { atEnd } from '../setup/at-end.ts';
import { connectionsClosed } from '../setup/connections-closed.ts';
import { type ImagingClient, startImagingClient } from '../setup/imaging-client.ts';
import { openFiles } from '../setup/process-facts.ts';
import { MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { CLIENT_FLAGS, infoRequest, option, request } from '../wire/messages.ts';
import { COMMAND, OPTION } from '../wire/numbers.ts';
import { enterRaw } from '../wire/raw-connection.ts';

const SIZE = 8 * MIB;
/** The time that the imaging client gives for a handshake, and as much again for a busy machine; in ms. */
const HANDSHAKE_LIMIT_MS = 60_000;
/** The connections that the imaging client accepts, and some files of its own. */
const MAX_HELD = 128 + 10;
const EINVAL = 22;

async function start(t: TestContext): Promise<{ client: ImagingClient; file: string }> {
  const file = randomFile(join(scratchFolder(t), 'disk.raw'), SIZE);
  return { client: await startImagingClient(t, { disks: [file], writable: true }), file };
}

async function dial(t: TestContext, { port, host }: ImagingClient): Promise<Socket> {
  const socket = connect({ port, host, noDelay: true });
  socket.on('error', () => {});
  atEnd(t, () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** The client lives, serves others, and holds nothing of those who are gone. */
async function assertUnharmed(client: ImagingClient, file: string, files: number): Promise<void> {
  const disk = await connectNbd(client.address(file));
  const target = Buffer.alloc(MIB);
  await disk.read(0, target);
  assert.ok(target.equals(readFileSync(file).subarray(0, MIB)));
  await disk.close();
  await connectionsClosed(client.pid, files);
}

describe('the imaging client stands a peer', () => {
  test('that resets its connection at each stage', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const stages = Buffer.concat([
      CLIENT_FLAGS,
      option(OPTION.STRUCTURED_REPLY),
      option(OPTION.GO, infoRequest('disk.raw', [3])),
      request({ type: COMMAND.READ, cookie: 1n, offset: 0, length: 4 * MIB }),
      request({ type: COMMAND.READ, cookie: 2n, offset: 0, length: 4 * MIB }),
      request({
        type: COMMAND.WRITE,
        cookie: 3n,
        offset: 4 * MIB,
        length: 4096,
        payload: Buffer.alloc(4096),
      }),
    ]);
    for (let length = 0; length <= stages.length; length += length < 160 ? 1 : 500) {
      const socket = await dial(t, client);
      if (length > 0) socket.write(stages.subarray(0, length));
      // Sometimes before the first answer, sometimes after it.
      if (length % 2 === 0) await once(socket, 'data');
      socket.resetAndDestroy();
    }
    await assertUnharmed(client, file, files);
  });

  test('that hangs up while its large answers are on their way', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    for (let round = 0; round < 20; round++) {
      const { stream, queue } = await enterRaw(await dial(t, client), 'disk.raw');
      for (let cookie = 0n; cookie < 32n; cookie++) {
        stream.write(request({ type: COMMAND.READ, cookie, offset: 0, length: SIZE }));
      }
      await queue.take(1 + round * 100_000);
      stream.destroy();
    }
    await assertUnharmed(client, file, files);
  });

  test('that sends a WRITE and half of its data', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const before = readFileSync(file);
    const { stream } = await enterRaw(await dial(t, client), 'disk.raw');
    const place = { cookie: 1n, offset: 4 * MIB, length: 4096 };
    stream.write(request({ ...place, type: COMMAND.WRITE, payload: before.subarray(0, 2048) }));
    stream.end();
    await once(stream.resume(), 'close');
    // A part may be written, but nothing outside of the range.
    const after = readFileSync(file);
    assert.ok(after.subarray(0, 4 * MIB).equals(before.subarray(0, 4 * MIB)));
    assert.ok(after.subarray(4 * MIB + 4096).equals(before.subarray(4 * MIB + 4096)));
    await assertUnharmed(client, file, files);
  });

  test('that asks for more bytes than there are', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const { stream, queue } = await enterRaw(await dial(t, client), 'disk.raw');
    for (const [offset, length] of [
      [0n, 2 ** 32 - 1],
      [2n ** 64n - 1n, 1],
      [2n ** 64n - 512n, 512],
      [2n ** 63n, 2 ** 31],
      [BigInt(SIZE), 512],
      [0n, 32 * MIB + 512],
    ] as const) {
      stream.write(request({ type: COMMAND.READ, cookie: 9n, offset, length }));
      assert.equal((await queue.take(16)).readUInt32BE(4), EINVAL, `${length} bytes at ${offset}`);
    }
    stream.write(request({ type: COMMAND.READ, cookie: 9n, offset: 0, length: 512 }));
    assert.equal((await queue.take(16 + 512)).readUInt32BE(4), 0);
    stream.destroy();
    await assertUnharmed(client, file, files);
  });

  test('that announces data of 4 GiB', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const before = readFileSync(file);
    const { stream, queue } = await enterRaw(await dial(t, client), 'disk.raw');
    stream.write(request({ type: COMMAND.WRITE, cookie: 1n, offset: 0, length: 2 ** 32 - 1 }));
    stream.write(Buffer.alloc(MIB));
    // It is refused, or the connection is closed: the data cannot all be waited for.
    await Promise.race([queue.take(16), queue.takeToEnd(), sleep(2000)]);
    stream.destroy();
    assert.ok(readFileSync(file).equals(before), 'nothing was written');
    await assertUnharmed(client, file, files);
  });

  test('that stays silent, and another that is slow, until their time for the handshake is over', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const silent = await dial(t, client);
    const slow = await dial(t, client);
    const halfTls = await dial(t, client);
    halfTls.write(Buffer.concat([CLIENT_FLAGS, option(OPTION.STARTTLS)]));
    const words = Buffer.concat([CLIENT_FLAGS, option(OPTION.GO, infoRequest('x'.repeat(4000)))]);
    let place = 0;
    const timer = setInterval(() => slow.write(words.subarray(place, ++place)), 100);
    atEnd(t, () => clearInterval(timer));
    const queues = [silent, slow, halfTls].map((socket) => new ByteQueue(socket));
    // Others are served meanwhile.
    const disk = await connectNbd(client.address(file));
    await disk.read(0, Buffer.alloc(512));
    await disk.close();
    const deadline = AbortSignal.timeout(HANDSHAKE_LIMIT_MS);
    await Promise.all(
      [silent, slow, halfTls].map(async (socket) => {
        if (!socket.closed) await once(socket, 'close', { signal: deadline });
      }),
    );
    for (const queue of queues) assert.ok(queue.ended);
    clearInterval(timer);
    await assertUnharmed(client, file, files);
  });

  test('that opens more connections than are allowed', async (t) => {
    const { client, file } = await start(t);
    const files = openFiles(client.pid);
    const sockets: Socket[] = [];
    for (let count = 0; count < 300; count++) {
      // A connection too many may be reset before this side has seen that it was accepted.
      const socket = await dial(t, client).catch(() => undefined);
      if (socket !== undefined) sockets.push(socket);
    }
    assert.ok(sockets.length >= MAX_HELD / 2, `only ${sockets.length} connections were accepted`);
    await sleep(200);
    const held = openFiles(client.pid) - files;
    assert.ok(held <= MAX_HELD, `${held} connections are held`);
    for (const socket of sockets) socket.destroy();
    // Until the client has seen them go, it refuses others.
    await connectionsClosed(client.pid, files);
    await assertUnharmed(client, file, files);
  });
});

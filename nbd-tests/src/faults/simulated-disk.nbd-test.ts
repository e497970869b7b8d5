import { attach, sourceOf } from '../setup/simulated-disk.ts';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { assertNothingIsLeft } from '@diskferry/server-adapter/testing/leftovers';
import { atEnd } from '../setup/at-end.ts';
import { startBackground } from '../setup/background.ts';
import { type ImagingClient, startImagingClient } from '../setup/imaging-client.ts';
import { missing, notRoot } from '../setup/programs.ts';
import { MIB, randomFile, scratchFolder } from '../setup/scratch.ts';
import { acceptsOn, until } from '../setup/wait.ts';
import { ByteQueue } from '../wire/byte-queue.ts';
import { greeting, optionReply, structuredReply, uint } from '../wire/messages.ts';
import { OPTION, OPTION_REPLY } from '../wire/numbers.ts';
import { startFaultProxy } from './fault-proxy.ts';

const SIZE = 8 * MIB;
/** Long enough for a client to be started again on a busy machine. */
const LIMIT_MS = 120_000;
/** A limit that is soon over. */
const SHORT_LIMIT_MS = 2000;

interface Scene {
  readonly file: string;
  readonly content: Buffer;
  readonly client: ImagingClient;
}

async function scene(t: TestContext): Promise<Scene> {
  const file = randomFile(join(scratchFolder(t), 'disk.raw'), SIZE);
  return { file, content: readFileSync(file), client: await startImagingClient(t, { disks: [file] }) };
}

/** Reads all of a disk in pieces, from its end so that nothing reads ahead; calls `between` after each. */
async function readBackwards(
  disk: SimulatedDisk,
  between: (start: number) => Promise<void> | void = () => {},
): Promise<Buffer> {
  const all = Buffer.alloc(SIZE);
  for (let start = SIZE - MIB; start >= 0; start -= MIB) {
    (await disk.read(start, MIB)).copy(all, start);
    await between(start);
  }
  return all;
}

async function failureOf(disk: SimulatedDisk): Promise<Error & { readonly code?: string }> {
  return disk.failure.catch((error: unknown) => error as Error);
}

describe('a simulated disk', { skip: notRoot }, () => {
  afterEach(assertNothingIsLeft);

  test('reads on after its client was killed and started again', async (t) => {
    const { file, content, client } = await scene(t);
    const notices: string[] = [];
    const onNotice = (message: string): void => void notices.push(message);
    const disk = await attach(t, sourceOf(client, file), { reconnectLimitMs: LIMIT_MS, onNotice });
    let restarted: Promise<unknown> | undefined;
    const all = await readBackwards(disk, async (start) => {
      if (start !== SIZE / 2) return;
      await client.kill('SIGKILL');
      // The next read begins while nobody is there.
      restarted = sleep(1000).then(() => startImagingClient(t, { disks: [file], port: client.port }));
    });
    await restarted;
    assert.ok(all.equals(content));
    assert.match(notices.join('\n'), /lost[^]*there again/);
    await disk.detach();
  });

  test('fails with one clear error when its client does not come back in time', async (t) => {
    const { file, client } = await scene(t);
    const disk = await attach(t, sourceOf(client, file), { reconnectLimitMs: SHORT_LIMIT_MS });
    await disk.read(0, 4096);
    await client.kill('SIGKILL');
    await assert.rejects(disk.read(SIZE / 2, MIB), { code: 'EIO' });
    const failure = await failureOf(disk);
    assert.equal(failure.code, 'SOURCE_LOST');
    assert.match(failure.message, /did not come back within 2 s/);
    await disk.detach();
  });

  test('refuses another disk that comes under the same name', async (t) => {
    for (const otherSize of [SIZE, SIZE / 2]) {
      const { file, client } = await scene(t);
      const disk = await attach(t, sourceOf(client, file), { reconnectLimitMs: LIMIT_MS });
      await disk.read(0, 4096);
      await client.kill('SIGKILL');
      const other = randomFile(join(scratchFolder(t), 'disk.raw'), otherSize);
      await startImagingClient(t, { disks: [other], port: client.port });
      await assert.rejects(disk.read(SIZE / 2, MIB), { code: 'EIO' });
      const failure = await failureOf(disk);
      assert.match(failure.message, /another/);
      await disk.detach();
    }
  });

  test('reads on after its connection was reset many times', async (t) => {
    const { file, content, client } = await scene(t);
    const proxy = await startFaultProxy(t, client);
    const disk = await attach(t, sourceOf(client, file, proxy), { reconnectLimitMs: LIMIT_MS });
    const all = await readBackwards(disk, (start) => {
      if ((start / MIB) % 2 !== 0) return;
      proxy.setOpen(false);
      proxy.setOpen(true);
    });
    assert.ok(all.equals(content));
    await disk.detach();
  });

  test('reads on after its peer was half open', async (t) => {
    const { file, content, client } = await scene(t);
    const proxy = await startFaultProxy(t, client);
    proxy.plan({ kind: 'silence', direction: 'to the client', afterBytes: 2.5 * MIB });
    const options = { reconnectLimitMs: LIMIT_MS, requestTimeoutMs: 1500 };
    const disk = await attach(t, sourceOf(client, file, proxy), options);
    assert.ok((await readBackwards(disk)).equals(content));
    assert.ok(proxy.connections() > 1);
    await disk.detach();
  });

  test('passes a read error on, and reads the same place when it is well again', {
    skip: missing('nbdkit'),
  }, async (t) => {
    const folder = scratchFolder(t);
    const file = randomFile(join(folder, 'disk.raw'), SIZE);
    const [socketPath, trigger] = [join(folder, 'socket'), join(folder, 'trigger')];
    startBackground(t, [
      'nbdkit',
      '--foreground',
      '--readonly',
      `--unix=${socketPath}`,
      '--filter=error',
      'file',
      file,
      'error-pread=EIO',
      'error-pread-rate=100%',
      `error-pread-file=${trigger}`,
    ]);
    await until('nbdkit listening', () => acceptsOn(socketPath));
    const disk = await attach(t, {
      kind: 'remote',
      address: { transport: 'unix', socketPath, exportName: '' },
    });
    const content = readFileSync(file);
    assert.ok((await disk.read(6 * MIB, MIB)).equals(content.subarray(6 * MIB, 7 * MIB)));
    writeFileSync(trigger, '');
    await assert.rejects(disk.read(2 * MIB, MIB), { code: 'EIO' });
    rmSync(trigger);
    assert.ok((await disk.read(2 * MIB, MIB)).equals(content.subarray(2 * MIB, 3 * MIB)));
    assert.ok((await readBackwards(disk)).equals(content));
    await disk.detach();
  });

  for (const [fault, answer] of [
    ['with a wrong cookie', (cookie: bigint) => structuredReply({ type: 0, cookie: cookie + 99n })],
    [
      'of 4 GiB',
      (cookie: bigint) =>
        structuredReply({ type: 1, cookie, length: 2 ** 32 - 1, payload: Buffer.alloc(64) }),
    ],
    ['without a magic number', () => Buffer.alloc(64)],
  ] as const) {
    test(`fails with a clear error when a server answers ${fault}`, async (t) => {
      const port = await serveWrongAnswers(t, answer);
      const address = { transport: 'tcp', host: '127.0.0.1', port, exportName: 'sda' } as const;
      const disk = await attach(t, { kind: 'remote', address }, { reconnectLimitMs: SHORT_LIMIT_MS });
      await assert.rejects(disk.read(4096, 4096), { code: 'EIO' });
      const failure = await failureOf(disk);
      assert.equal(failure.code, 'SOURCE_LOST');
      await disk.detach();
    });
  }
});

/** A server that knows the handshake, but not how to answer requests. */
async function serveWrongAnswers(t: TestContext, answer: (cookie: bigint) => Buffer): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serveWrongly(socket, answer).catch(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function serveWrongly(socket: Socket, answer: (cookie: bigint) => Buffer): Promise<void> {
  const queue = new ByteQueue(socket);
  socket.write(greeting());
  await queue.take(4);
  for (;;) {
    const header = await queue.take(16);
    const option = header.readUInt32BE(8);
    await queue.take(header.readUInt32BE(12));
    if (option === OPTION.STRUCTURED_REPLY) socket.write(optionReply(option, OPTION_REPLY.ACK));
    else if (option !== OPTION.GO) socket.write(optionReply(option, 0x80000001));
    else break;
  }
  // NBD_INFO_EXPORT: a read-only disk.
  const info = Buffer.concat([uint(2, 0), uint(8, SIZE), uint(2, 0b11)]);
  socket.write(
    Buffer.concat([
      optionReply(OPTION.GO, OPTION_REPLY.INFO, info),
      optionReply(OPTION.GO, OPTION_REPLY.ACK),
    ]),
  );
  for (;;) {
    const request = await queue.take(28);
    socket.write(answer(request.readBigUInt64BE(8)));
  }
}

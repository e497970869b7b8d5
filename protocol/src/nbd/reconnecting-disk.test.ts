import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskError } from '../disk.ts';
import { COMMAND, ERROR, OPTION, OPTION_REPLY, TRANSMISSION_FLAG } from './constants.ts';
import { encodeGreeting } from './handshake.ts';
import { identityContext } from './meta-contexts.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { NbdError, type NbdErrorCode } from './nbd-error.ts';
import { connectReconnectingNbd, type Interruption, type ReconnectOptions } from './reconnecting-disk.ts';
import { encodeDataChunk, encodeErrorChunk, encodeNoneChunk } from './replies.ts';
import type { Request } from './requests.ts';
import { RawClient } from './testing/raw-client.ts';
import { type Script, ScriptedServer } from './testing/scripted-server.ts';
import { pattern } from './testing/server-setup.ts';
import { clientTls, serverSecureContext } from './testing/tls-keys.ts';
import { type Fault, UnreliableServer } from './testing/unreliable-server.ts';

const SIZE = 1024 * 1024;
const BYTES = pattern(SIZE);
/** Long enough for every server here to come back. */
const PATIENCE_MS = 20_000;

interface Scene {
  readonly server: UnreliableServer;
  readonly disk: NbdDisk;
  readonly events: Interruption[];
}

async function scene(t: TestContext, options: ReconnectOptions = {}, script: Script = {}): Promise<Scene> {
  const server = await UnreliableServer.start(t);
  server.script = { ...server.script, ...script };
  const events: Interruption[] = [];
  const disk = await connectReconnectingNbd(server.address, {
    reconnectLimitMs: PATIENCE_MS,
    onInterruption: (event) => events.push(event),
    ...options,
  });
  t.after(() => disk.close());
  return { server, disk, events };
}

async function readBlock(disk: NbdDisk, offset: number): Promise<void> {
  const target = Buffer.alloc(4096);
  await disk.read(offset, target);
  assert.equal(target.compare(BYTES, offset, offset + 4096), 0);
}

/** Makes the fault of the first request of a kind only. */
function once(type: number, fault: Fault): (request: Request) => Fault | undefined {
  let isDone = false;
  return (request) => {
    if (isDone || request.type !== type) return undefined;
    isDone = true;
    return fault;
  };
}

const reset: Fault = (_request, _server, socket) => socket.resetAndDestroy();

function isNbdError(code: NbdErrorCode, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NbdError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

/** Most of the time here is spent waiting. */
const AT_ONCE = { concurrency: true };

describe('a disk whose connection', AT_ONCE, () => {
  test('is reset while requests are under way answers them all, and tells of it', async (t) => {
    const { server, disk, events } = await scene(t);
    server.faultOf = once(COMMAND.READ, reset);
    await Promise.all(Array.from({ length: 32 }, (_, index) => readBlock(disk, index * 4096)));
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['lost', 'restored'],
    );
    assert.match(events[0]?.message ?? '', /127\.\d+\.\d+\.\d+:\d+ was lost .*tried again for 20 s/);
    assert.match(events[1]?.message ?? '', /is there again after \d+\.\d s/);
    assert.equal(server.connectionCount, 2);
    assert.ok(disk.bytesReceived > 32 * 4096);
    assert.ok(disk.bytesSent > 32 * 28);
  });

  test('is reset while nothing is under way is restored before anything is asked', async (t) => {
    const restored = Promise.withResolvers<void>();
    const { server, disk } = await scene(t, {
      onInterruption: ({ kind }) => {
        if (kind === 'restored') restored.resolve();
      },
    });
    server.cut();
    await restored.promise;
    await readBlock(disk, 0);
  });

  test('is lost with its server goes on when the server is started again', async (t) => {
    const lost = Promise.withResolvers<void>();
    const { server, disk } = await scene(t, {
      onInterruption: ({ kind }) => {
        if (kind === 'lost') lost.resolve();
      },
    });
    await server.stop();
    const reading = readBlock(disk, 8192);
    const writing = disk.write(0, Buffer.alloc(512, 1), { fua: true });
    await lost.promise;
    // Time for attempts in vain.
    await sleep(500);
    await server.start();
    await Promise.all([reading, writing]);
    assert.equal(server.disk.bytes[511], 1);
  });

  for (const length of [1, 19, 20, 27, 28, 29, 4000]) {
    test(`ends after ${length} bytes of an answer gets all of the data on the next one`, async (t) => {
      const { server, disk, events } = await scene(t);
      server.faultOf = once(COMMAND.READ, ({ cookie, offset, length: asked }, raw, socket) => {
        const wrong = encodeDataChunk(cookie, offset, Buffer.alloc(asked, 0xee));
        raw.send(wrong.subarray(0, length));
        socket.end();
      });
      await readBlock(disk, 4096);
      assert.equal(events.length, 2);
    });
  }

  test('is lost under a write sends it again, and no write that was answered', async (t) => {
    const { server, disk } = await scene(t);
    await disk.write(0, Buffer.alloc(512, 1));
    server.faultOf = once(COMMAND.WRITE, reset);
    await disk.write(512, Buffer.alloc(512, 2));
    const writes = server.requests.filter(({ type }) => type === COMMAND.WRITE);
    assert.deepEqual(
      writes.map(({ offset }) => offset),
      [0, 512, 512],
    );
    assert.deepEqual([server.disk.bytes[0], server.disk.bytes[512]], [1, 2]);
  });

  test('is lost under any other request sends it again', async (t) => {
    const { server, disk } = await scene(t);
    for (const [type, action] of [
      [COMMAND.FLUSH, () => disk.flush()],
      [COMMAND.TRIM, () => disk.discard(0, 4096)],
      [COMMAND.WRITE_ZEROES, () => disk.writeZeroes(4096, 4096)],
    ] as const) {
      server.faultOf = once(type, reset);
      await action();
      assert.equal(server.count(type), 2);
    }
    assert.equal(server.disk.bytes[4097], 0);
  });

  test('is half open is given up after a while, and its requests sent again', async (t) => {
    const { server, disk, events } = await scene(t, { requestTimeoutMs: 1000 });
    // Whatever comes is read, and nothing is said any more.
    server.faultOf = once(COMMAND.READ, (_request, raw) => raw.raw.receive(SIZE));
    await readBlock(disk, 0);
    assert.match(events[0]?.message ?? '', /has not answered for \d+\.\d s/);
    assert.equal(server.questionCount, 0);
  });

  test('is slow because a sector can hardly be read is waited for, as long as the server gives signs of life', async (t) => {
    // A third of it is the time for each sign of life: far more than any machine needs.
    const { server, disk, events } = await scene(t, { requestTimeoutMs: 3000 });
    server.faultOf = once(COMMAND.READ, ({ cookie }, raw) => {
      void (async () => {
        while (server.questionCount < 3) await sleep(10);
        raw.send(encodeErrorChunk(cookie, { error: ERROR.EIO, message: 'unreadable sector' }));
      })();
    });
    const isEio = (error: unknown): boolean => error instanceof DiskError && error.errno === 'EIO';
    await assert.rejects(disk.read(0, Buffer.alloc(512)), isEio);
    await readBlock(disk, 0);
    assert.equal(events.length, 0);
    assert.equal(server.count(COMMAND.READ), 2);
  });

  test('is shut down by its server, which says so, asks again', async (t) => {
    const { server, disk, events } = await scene(t);
    server.faultOf = once(COMMAND.READ, ({ cookie }, raw) =>
      raw.send(encodeErrorChunk(cookie, { error: ERROR.ESHUTDOWN, message: 'the computer is shut down' })),
    );
    await readBlock(disk, 0);
    assert.match(events[0]?.message ?? '', /the computer is shut down/);
  });

  test('works passes an error of the disk on at once', async (t) => {
    const { server, disk, events } = await scene(t);
    server.faultOf = once(COMMAND.READ, ({ cookie }, raw) =>
      raw.send(encodeErrorChunk(cookie, { error: ERROR.EIO, message: 'unreadable sector' })),
    );
    await assert.rejects(
      disk.read(0, Buffer.alloc(512)),
      (error) => error instanceof DiskError && error.errno === 'EIO',
    );
    await readBlock(disk, 0);
    assert.equal(events.length, 0);
  });

  for (const [what, answer] of [
    ['an answer to no request', ({ offset }) => encodeDataChunk(999n, offset, Buffer.alloc(512))],
    [
      'more data than was asked for',
      ({ cookie, offset }) => encodeDataChunk(cookie, offset, Buffer.alloc(8192)),
    ],
    ['data from elsewhere', ({ cookie }) => encodeDataChunk(cookie, 8192, Buffer.alloc(512))],
    [
      'an answer of 4 GiB',
      ({ cookie, offset }) => {
        const answer = encodeDataChunk(cookie, offset, Buffer.alloc(512));
        answer.writeUInt32BE(0xffffffff, 16);
        return answer;
      },
    ],
    ['rubbish', () => Buffer.alloc(512, 0x55)],
  ] as const satisfies readonly (readonly [string, (request: Request) => Buffer])[]) {
    test(`brings ${what} is not tried again`, async (t) => {
      const { server, disk, events } = await scene(t);
      server.faultOf = once(COMMAND.READ, (request, raw) => raw.send(answer(request)));
      const words = /does not speak NBD as it should/;
      await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_PROTOCOL', words));
      isNbdError('NBD_PROTOCOL', words)(await disk.lost);
      await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_PROTOCOL', words));
      assert.deepEqual([server.connectionCount, events.length], [1, 0]);
    });
  }
});

describe('connecting again', AT_ONCE, () => {
  const FAULTS: Record<string, (socket: Socket) => unknown> = {
    'is refused at once': (socket) => socket.resetAndDestroy(),
    'is cut after the greeting': async (socket) => {
      const raw = new RawClient(socket);
      raw.send(encodeGreeting(3));
      await raw.receive(4);
      socket.resetAndDestroy();
    },
    'is cut in the middle of the greeting': (socket) => socket.end(encodeGreeting(3).subarray(0, 9)),
    'is cut between the options': async (socket) => {
      const raw = new RawClient(socket);
      raw.send(encodeGreeting(3));
      await raw.receive(4 + 16);
      socket.end();
    },
    'is refused for now': (socket) =>
      void new ScriptedServer(socket, { refuse: { [OPTION.GO]: OPTION_REPLY.ERR_SHUTDOWN } })
        .handshake()
        .catch(() => {}),
    'finds the disk missing for now': (socket) =>
      void new ScriptedServer(socket, { refuse: { [OPTION.GO]: OPTION_REPLY.ERR_UNKNOWN } })
        .handshake()
        .catch(() => {}),
    'is answered by nobody for a while': () => {},
  };

  for (const [what, fault] of Object.entries(FAULTS)) {
    test(`that ${what} is done again`, async (t) => {
      // Short, as one of the faults is only noticed by it, and long for a busy machine, which connects within it, too.
      const { server, disk, events } = await scene(t, { connectTimeoutMs: 4000 });
      server.faultyConnections.push(fault, fault);
      server.faultOf = once(COMMAND.READ, reset);
      await readBlock(disk, 4096);
      // Two that failed, between one that was lost and one that worked; a busy machine may need more.
      assert.ok(server.connectionCount >= 4);
      assert.equal(events.length, 2);
    });
  }

  test('that is cut in the TLS handshake is done again', async (t) => {
    const secure: Script = { secureContext: serverSecureContext() };
    const { server, disk } = await scene(t, { tls: clientTls() }, secure);
    server.faultyConnections.push(async (socket) => {
      const raw = new RawClient(socket);
      raw.send(encodeGreeting(3));
      await raw.receive(4 + 16);
      socket.resetAndDestroy();
    });
    server.faultOf = once(COMMAND.READ, reset);
    await readBlock(disk, 4096);
    assert.equal(server.connectionCount, 3);
  });

  test('meets a slow handshake with patience', async (t) => {
    const { server, disk } = await scene(t, { connectTimeoutMs: 10_000 });
    server.faultyConnections.push(async (socket) => {
      for (const byte of encodeGreeting(3)) {
        socket.write(Buffer.of(byte));
        await sleep(10);
      }
      socket.end();
    });
    server.faultOf = once(COMMAND.READ, reset);
    await readBlock(disk, 4096);
  });

  test('to a server with another key is not tried twice', async (t) => {
    let key = 'the first';
    const tls = clientTls(() => (key === 'the first' ? undefined : new Error('the key is another one')));
    const { server, disk } = await scene(t, { tls }, { secureContext: serverSecureContext() });
    key = 'another';
    server.cut();
    await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_UNTRUSTED', /another one/));
    assert.equal(server.connectionCount, 2);
  });

  for (const [what, script, words] of [
    ['another size', { size: 512 }, /it has 512 bytes instead of 1048576/],
    [
      'another serial number',
      { description: 'a disk like it' },
      /"a disk like it" instead of "a disk of the tests"/,
    ],
    [
      'other sectors',
      { blockSizes: { minimum: 4096, preferred: 4096, maximum: 65536 } },
      /sectors have 4096 bytes/,
    ],
    ['another identity', { contexts: [identityContext('0dd')] }, /started anew/],
    ['no identity any more', { contexts: [] }, /started anew/],
    [
      'no permission to write any more',
      { flags: TRANSMISSION_FLAG.HAS_FLAGS | TRANSMISSION_FLAG.READ_ONLY },
      /cannot be written any more/,
    ],
  ] as const satisfies readonly (readonly [string, Script, RegExp])[]) {
    test(`to a disk with ${what} is refused, once and for all`, async (t) => {
      const { server, disk } = await scene(t);
      server.script = { ...server.script, ...script };
      const before = Buffer.from(server.disk.bytes);
      server.faultOf = once(COMMAND.READ, reset);
      const requests = [disk.read(0, Buffer.alloc(512)), disk.write(512, Buffer.alloc(512, 1))];
      const results = await Promise.allSettled(requests);
      for (const result of results.filter(({ status }) => status === 'rejected')) {
        isNbdError('NBD_CHANGED', words)((result as PromiseRejectedResult).reason);
      }
      assert.equal(results[0]?.status, 'rejected');
      isNbdError('NBD_CHANGED', words)(await disk.lost);
      await assert.rejects(disk.write(0, Buffer.alloc(512)), isNbdError('NBD_CHANGED', words));
      assert.equal(server.connectionCount, 2);
      const { length } = server.requests.filter(({ type }) => type === COMMAND.READ);
      assert.deepEqual(
        [length, Buffer.compare(before.subarray(1024), server.disk.bytes.subarray(1024))],
        [1, 0],
      );
    });
  }

  test('asks for the address anew, if that may change', async (t) => {
    const other = await UnreliableServer.start(t);
    let asked = 0;
    const { server, disk } = await scene(t, {
      renewAddress: async () => {
        asked++;
        if (asked === 1) throw new Error('not yet');
        return other.address;
      },
    });
    await server.stop();
    await readBlock(disk, 0);
    assert.deepEqual([asked, other.connectionCount], [2, 1]);
  });
});

describe('writes that were answered and not flushed', AT_ONCE, () => {
  const NO_IDENTITY: Script = { contexts: [] };

  /** Does something, breaks the connection, and reads: whether the disk can still be used. */
  async function survives(
    t: TestContext,
    script: Script,
    action: (disk: NbdDisk) => Promise<void>,
  ): Promise<boolean> {
    const { server, disk } = await scene(t, {}, script);
    await action(disk);
    server.cut();
    return disk.read(0, Buffer.alloc(512)).then(
      () => true,
      (error) => {
        isNbdError('NBD_CHANGED', /may be lost/)(error);
        return false;
      },
    );
  }

  const write = (disk: NbdDisk): Promise<void> => disk.write(0, Buffer.alloc(512));

  test('are safe with a server that proves to be the same running computer', async (t) => {
    assert.equal(await survives(t, {}, write), true);
  });

  test('are not trusted to one that does not', async (t) => {
    assert.equal(await survives(t, NO_IDENTITY, write), false);
    assert.equal(await survives(t, NO_IDENTITY, (disk) => disk.writeZeroes(0, 512)), false);
  });

  test('are safe everywhere once they are flushed', async (t) => {
    const flushed = async (disk: NbdDisk): Promise<void> => {
      await write(disk);
      await disk.flush();
    };
    assert.equal(await survives(t, NO_IDENTITY, flushed), true);
    assert.equal(
      await survives(t, NO_IDENTITY, (disk) => disk.write(0, Buffer.alloc(512), { fua: true })),
      true,
    );
    assert.equal(await survives(t, NO_IDENTITY, (disk) => disk.discard(0, 512)), true);
    assert.equal(await survives(t, NO_IDENTITY, async () => {}), true);
  });

  test('count as not flushed if they came after the flush began, or the server cannot flush', async (t) => {
    const { server, disk } = await scene(t, {}, NO_IDENTITY);
    const flushing = Promise.withResolvers<() => void>();
    server.faultOf = once(COMMAND.FLUSH, ({ cookie }, raw) => {
      flushing.resolve(() => raw.send(encodeNoneChunk(cookie)));
    });
    const flush = disk.flush();
    const finish = await flushing.promise;
    await write(disk);
    finish();
    await flush;
    server.cut();
    await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_CHANGED', /may be lost/));
    const noFlush = { ...NO_IDENTITY, flags: TRANSMISSION_FLAG.HAS_FLAGS };
    const pretended = async (disk: NbdDisk): Promise<void> => {
      await write(disk);
      await disk.flush();
    };
    assert.equal(await survives(t, noFlush, pretended), false);
    assert.equal(
      await survives(t, noFlush, (disk) => disk.write(0, Buffer.alloc(512), { fua: true })),
      false,
    );
  });
});

describe('the limit', () => {
  test('ends all requests with one reason when it has passed', async (t) => {
    const { server, disk } = await scene(t, { reconnectLimitMs: 300 });
    await server.stop();
    const results = await Promise.allSettled([
      disk.read(0, Buffer.alloc(512)),
      disk.write(0, Buffer.alloc(512)),
      disk.flush(),
    ]);
    const reason = await disk.lost;
    isNbdError('NBD_LOST', /did not come back within 0.3 s; at last: .*nothing answers on port/)(reason);
    for (const result of results) assert.equal((result as PromiseRejectedResult).reason, reason);
    await assert.rejects(disk.read(0, Buffer.alloc(512)), (error) => error === reason);
  });

  test('leaves an attempt that has begun the time to succeed', async (t) => {
    // The longest waits: the limit passes during the first.
    t.mock.method(Math, 'random', () => 0);
    const { server, disk } = await scene(t, { reconnectLimitMs: 100 });
    server.cut();
    await readBlock(disk, 0);
  });

  test('of 0 means that nothing is tried again', async (t) => {
    const { server, disk, events } = await scene(t, { reconnectLimitMs: 0 });
    server.faultOf = once(COMMAND.READ, reset);
    await assert.rejects(disk.read(0, Buffer.alloc(512)), isNbdError('NBD_LOST', /was lost/));
    isNbdError('NBD_LOST', /was lost/)(await disk.lost);
    assert.deepEqual([server.connectionCount, events.length], [1, 0]);
  });

  test('also counts for a request that takes down every connection', async (t) => {
    const { server, disk } = await scene(t, { reconnectLimitMs: 700 });
    server.faultOf = ({ type, offset }) => (type === COMMAND.READ && offset === 4096 ? reset : undefined);
    await assert.rejects(disk.read(4096, Buffer.alloc(512)), isNbdError('NBD_LOST', /within 0.7 s/));
    isNbdError('NBD_LOST', /./)(await disk.lost);
  });

  test('does not depend on the time of day', async (t) => {
    const { server, disk } = await scene(t, { reconnectLimitMs: 1_000_000 });
    t.mock.timers.enable({ apis: ['Date'], now: 1_700_000_000_000 });
    await server.stop();
    const reading = readBlock(disk, 0);
    await sleep(300);
    // A clock that is set years ahead, and back again, in the middle of the interruption.
    t.mock.timers.setTime(1_900_000_000_000);
    await sleep(300);
    t.mock.timers.setTime(1_000_000_000_000);
    await server.start();
    await reading;
  });
});

describe('a disk that is connecting again', AT_ONCE, () => {
  test('ends at once when it is closed', async (t) => {
    const { server, disk } = await scene(t, { reconnectLimitMs: 1_000_000 });
    await server.stop();
    const reading = disk.read(0, Buffer.alloc(512));
    const expected = assert.rejects(reading, isNbdError('NBD_CLOSED', /has been closed/));
    await sleep(250);
    await disk.close();
    await expected;
    await assert.rejects(disk.flush(), isNbdError('NBD_CLOSED', /./));
    const lost = await Promise.race([disk.lost, Promise.resolve('not lost')]);
    assert.equal(lost, 'not lost');
  });

  test('ends at once when the signal is aborted, also in the middle of a handshake', async (t) => {
    const controller = new AbortController();
    const { server, disk } = await scene(t, { signal: controller.signal });
    const connected = Promise.withResolvers<void>();
    server.faultyConnections.push(() => connected.resolve());
    server.cut();
    const reading = disk.read(0, Buffer.alloc(512));
    await connected.promise;
    controller.abort(new Error('enough'));
    await assert.rejects(reading, /enough/);
    await assert.rejects(disk.flush(), /enough/);
    await disk.close();
  });

  test('is not connected at all with a signal that is aborted before', async (t) => {
    const server = await UnreliableServer.start(t);
    const signal = AbortSignal.abort(new Error('never'));
    await assert.rejects(connectReconnectingNbd(server.address, { signal }), /never/);
    assert.equal(server.connectionCount, 0);
  });

  test('leaves no connection behind', async (t) => {
    const { server, disk } = await scene(t, { connections: 4 });
    for (let count = 0; count < 3; count++) {
      server.cut();
      await readBlock(disk, 0);
    }
    await disk.close();
    for (let tries = 0; server.sockets.size > 0 && tries < 2000; tries++) await sleep(10);
    assert.equal(server.sockets.size, 0);
  });
});

describe('several connections', AT_ONCE, () => {
  test('are made, share the requests, and are renewed together', async (t) => {
    const { server, disk } = await scene(t, { connections: 4 });
    assert.equal(server.connectionCount, 4);
    const held: (() => void)[] = [];
    const used = new Set<ScriptedServer>();
    const all = Promise.withResolvers<void>();
    server.faultOf = () => (request, raw) => {
      used.add(raw);
      held.push(() =>
        raw.send(encodeDataChunk(request.cookie, request.offset, Buffer.alloc(request.length))),
      );
      if (held.length === 8) all.resolve();
    };
    const reads = Array.from({ length: 8 }, (_, index) => disk.read(index * 4096, Buffer.alloc(4096)));
    await all.promise;
    assert.equal(used.size, 4);
    for (const answer of held) answer();
    await Promise.all(reads);
    server.faultOf = once(COMMAND.READ, reset);
    await readBlock(disk, 0);
    assert.equal(server.connectionCount, 8);
  });

  test('are not made to a server whose connections do not see the same', async (t) => {
    const { server } = await scene(t, { connections: 4 }, { flags: TRANSMISSION_FLAG.HAS_FLAGS });
    assert.equal(server.connectionCount, 1);
  });

  test('are as many as the server allows', async (t) => {
    const server = await UnreliableServer.start(t);
    // The first is served, and of the three others one.
    server.faultyConnections.push(
      undefined,
      (socket) => socket.resetAndDestroy(),
      (socket) => socket.resetAndDestroy(),
    );
    const disk = await connectReconnectingNbd(server.address, { connections: 4 });
    assert.equal(server.connectionCount, 4);
    assert.equal(server.sockets.size, 2);
    await readBlock(disk, 0);
    await disk.close();
  });
});

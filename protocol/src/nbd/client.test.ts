import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { DiskError } from '../disk.ts';
import { MemoryDisk } from '../memory-disk.ts';
import type { StatusDescriptor } from './block-status.ts';
import { type ConnectOptions, connectNbd, connectNbdOver, listExports } from './client.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { COMMAND, COMMAND_FLAG, ERROR, OPTION, OPTION_REPLY, STATE, TRANSMISSION_FLAG } from './constants.ts';
import { CLIENT_FLAGS_BYTES, encodeGreeting } from './handshake.ts';
import { ALLOCATION_CONTEXT, identityContext } from './meta-contexts.ts';
import { NbdError, type NbdErrorCode } from './nbd-error.ts';
import { encodeOptionReply, encodeServerReply } from './option-replies.ts';
import { OPTION_HEADER_BYTES } from './options.ts';
import {
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeNoneChunk,
  encodeSimpleReply,
  encodeStatusChunk,
} from './replies.ts';
import { serveConnection } from './server.ts';
import { hex } from './testing/hex.ts';
import { ownAddress } from './testing/own-address.ts';
import { RawClient } from './testing/raw-client.ts';
import { type Script, ScriptedServer } from './testing/scripted-server.ts';
import { altered, catalogOf, connectInMemory, listen, memoryDisk, pattern } from './testing/server-setup.ts';

const { HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, SEND_FAST_ZERO } = TRANSMISSION_FLAG;
const MIB = 1024 * 1024;

function isNbdError(code: NbdErrorCode, words: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NbdError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

function isDiskError(errno: string, words: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DiskError, String(error));
    assert.equal(error.errno, errno);
    assert.match(error.message, words);
    return true;
  };
}

interface Connected {
  readonly disk: NbdDisk;
  readonly server: ScriptedServer;
}

/** A client in its transmission phase with a scripted server. */
async function connectScripted(
  t: TestContext,
  { script, ...options }: ConnectOptions & { readonly script?: Script } = {},
): Promise<Connected> {
  const [clientSide, serverSide] = duplexPair();
  serverSide.on('close', () => clientSide.destroy());
  const server = new ScriptedServer(serverSide, script);
  const connecting = connectNbdOver(clientSide, { exportName: 'sda', peer: 'the test' }, options);
  await server.handshake();
  t.after(() => server.raw.hangUp());
  return { disk: await connecting, server };
}

const SIMPLE: Script = { refuse: { [OPTION.STRUCTURED_REPLY]: OPTION_REPLY.ERR_UNSUP } };

describe('a client of our own server', () => {
  test('learns what the disk is', async (t) => {
    const disk = await connectInMemory(
      t,
      memoryDisk(16384, { sectorSize: { logical: 4096, physical: 4096 } }),
    );
    assert.equal(disk.size, 16384);
    assert.deepEqual(disk.sectorSize, { logical: 4096, physical: 4096 });
    assert.equal(disk.readOnly, false);
    assert.equal(disk.description, 'the disk sda');
    assert.deepEqual(disk.supports, {
      flush: true,
      fua: true,
      trim: true,
      writeZeroes: true,
      fastZeroes: disk.supports.fastZeroes,
      multiConnection: true,
    });
  });

  test('reads any range, whatever the sectors', async (t) => {
    const size = 3 * MIB;
    const bytes = pattern(size);
    const disk = await connectInMemory(
      t,
      new MemoryDisk(bytes, { sectorSize: { logical: 4096, physical: 4096 } }),
    );
    const range = fc
      .tuple(fc.nat(size - 1), fc.nat(size))
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    await fc.assert(
      fc.asyncProperty(range, async ([start, end]) => {
        const target = Buffer.alloc(end - start);
        await disk.read(start, target);
        assert.equal(target.compare(bytes, start, end), 0);
      }),
      { numRuns: 30 },
    );
  });

  test('does as a disk does, over TCP, with many requests at once', async (t) => {
    const size = 4 * MIB;
    const served = new MemoryDisk(new Uint8Array(size));
    const model = new Uint8Array(size);
    const port = await listen(
      t,
      (socket) => void serveConnection(socket, () => ({ catalog: catalogOf({ sda: served }) })),
    );
    const disk = await connectNbd({ transport: 'tcp', host: '127.0.0.1', port, exportName: '/dev/sda' });
    const sectors = size / 512;
    const writes = Array.from({ length: 200 }, (_, index) => ({
      offset: ((index * 37) % sectors) * 512,
      data: Buffer.alloc(512 * ((index % 5) + 1), index + 1),
    })).filter(({ offset, data }) => offset + data.length <= size);
    for (const { offset, data } of writes) model.set(data, offset);
    // Requests that overlap are in no order, so each write waits for the one before.
    for (const { offset, data } of writes) await disk.write(offset, data, { fua: offset % 1024 === 0 });
    await disk.writeZeroes(512, 1024);
    model.fill(0, 512, 1536);
    await disk.discard(8192, 512);
    model.fill(0, 8192, 8704);
    await disk.flush();
    const targets = Array.from({ length: 64 }, () => Buffer.alloc(size / 64));
    await Promise.all(targets.map((target, index) => disk.read(index * target.length, target)));
    assert.equal(Buffer.concat(targets).compare(model), 0);
    assert.ok(disk.bytesReceived > size && disk.bytesReceived < size * 1.01);
    assert.ok(disk.bytesSent > 200 * 512);
    await disk.close();
    await disk.close();
    await assert.rejects(disk.read(0, Buffer.alloc(1)), isNbdError('NBD_CLOSED'));
  });

  test('reads large ranges into their target, over TCP', async (t) => {
    const bytes = pattern(9 * MIB);
    const served = new MemoryDisk(bytes, { readOnly: true });
    const port = await listen(
      t,
      (socket) => void serveConnection(socket, () => ({ catalog: catalogOf({ sda: served }) })),
    );
    const disk = await connectNbd({ transport: 'tcp', host: 'localhost', port, exportName: '' });
    const target = Buffer.alloc(bytes.length - 3);
    await Promise.all([disk.read(1, target), disk.read(5, Buffer.alloc(100_000))]);
    assert.equal(target.compare(bytes, 1, bytes.length - 2), 0);
    await disk.close();
  });

  test('lists the exports with their sizes', async (t) => {
    const sda = memoryDisk(8192, { sectorSize: { logical: 4096, physical: 4096 }, readOnly: true });
    const catalog = catalogOf({ sda, sdb: memoryDisk(512), bad: memoryDisk(512) });
    const open = catalog.open.bind(catalog);
    catalog.open = (name) =>
      name === 'bad' ? Promise.reject(new DiskError('EIO', 'no medium')) : open(name);
    const port = await listen(t, (socket) => void serveConnection(socket, () => ({ catalog })));
    const exports = await listExports({ host: '127.0.0.1', port });
    assert.deepEqual(
      exports.map(({ problem, ...rest }) => ({ ...rest, problem: problem?.includes('no medium') })),
      [
        {
          name: 'sda',
          description: 'the disk sda',
          size: 8192,
          sectorSize: { logical: 4096, physical: 4096 },
          readOnly: true,
          problem: undefined,
        },
        {
          name: 'sdb',
          description: 'the disk sdb',
          size: 512,
          sectorSize: { logical: 512, physical: 4096 },
          readOnly: false,
          problem: undefined,
        },
        {
          name: 'bad',
          description: 'the disk bad',
          size: 0,
          sectorSize: { logical: 512, physical: 4096 },
          readOnly: true,
          problem: true,
        },
      ],
    );
  });

  test('is told which exports there are when it asks for another', async (t) => {
    const port = await listen(
      t,
      (socket) =>
        void serveConnection(socket, () => ({
          catalog: catalogOf({ sda: memoryDisk(512), sdb: memoryDisk(512) }),
        })),
    );
    const connecting = connectNbd({ transport: 'tcp', host: '127.0.0.1', port, exportName: 'sdc' });
    await assert.rejects(connecting, isNbdError('NBD_UNKNOWN_EXPORT', /no export "sdc"; it has sda, sdb/));
  });

  test('gets an error of the disk for the request that met it, and all the others their data', async (t) => {
    const inner = memoryDisk(8192);
    const broken = altered(inner, {
      read: (offset, target) =>
        offset === 4096
          ? Promise.reject(new DiskError('EIO', 'unreadable sector'))
          : inner.read(offset, target),
    });
    const disk = await connectInMemory(t, broken);
    const targets = Array.from({ length: 16 }, () => Buffer.alloc(512));
    const results = await Promise.allSettled(targets.map((target, index) => disk.read(index * 512, target)));
    const failed = results.map(({ status }) => status).indexOf('rejected');
    assert.equal(failed, 8);
    assert.equal(results.filter(({ status }) => status === 'rejected').length, 1);
    assert.deepEqual(targets[9], Buffer.from(pattern(8192).subarray(9 * 512, 10 * 512)));
    await assert.rejects(
      disk.read(4096, Buffer.alloc(512)),
      isDiskError('EIO', /reading 512 bytes at 4096 of sda on the test failed: unreadable sector \(EIO\)/),
    );
  });

  test('refuses by itself what cannot be right', async (t) => {
    const disk = await connectInMemory(t, memoryDisk(4096));
    const readOnly = await connectInMemory(t, memoryDisk(4096, { readOnly: true }));
    await assert.rejects(disk.read(4095, Buffer.alloc(2)), isDiskError('EINVAL', /not inside/));
    await assert.rejects(disk.read(-1, Buffer.alloc(1)), isDiskError('EINVAL'));
    await assert.rejects(disk.read(0.5, Buffer.alloc(1)), isDiskError('EINVAL'));
    await assert.rejects(disk.write(1, Buffer.alloc(512)), isDiskError('EINVAL', /whole blocks of 512/));
    await assert.rejects(disk.write(0, Buffer.alloc(513)), isDiskError('EINVAL'));
    await assert.rejects(disk.writeZeroes(0, 1), isDiskError('EINVAL'));
    await assert.rejects(readOnly.write(0, Buffer.alloc(512)), isDiskError('EPERM', /read-only/));
    await disk.read(4096, Buffer.alloc(0));
    await disk.write(4096, Buffer.alloc(0));
  });
});

describe('a client of any server', () => {
  test('pipelines, and finds the reply to each request, structured or simple', async (t) => {
    for (const script of [{}, SIMPLE]) {
      const { disk, server } = await connectScripted(t, { script });
      const [first, second] = [Buffer.alloc(512), Buffer.alloc(512)];
      const reads = Promise.all([disk.read(0, first), disk.read(512, second)]);
      const requests = [await server.request(), await server.request()];
      for (const { cookie, offset } of requests.toReversed()) {
        const data = Buffer.alloc(512, offset === 0 ? 1 : 2);
        if (script === SIMPLE) server.send(encodeSimpleReply(cookie, 0), data);
        else server.send(encodeDataChunk(cookie, offset, data));
      }
      await reads;
      assert.deepEqual([first[511], second[511]], [1, 2]);
    }
  });

  test('fails only the request that an error reply belongs to', async (t) => {
    for (const script of [{}, SIMPLE]) {
      const { disk, server } = await connectScripted(t, { script });
      const bad = disk.read(0, Buffer.alloc(512));
      const target = Buffer.alloc(512);
      const good = disk.read(512, target);
      const [one, two] = [await server.request(), await server.request()];
      if (script === SIMPLE)
        server.send(
          encodeSimpleReply(one.cookie, ERROR.EIO),
          encodeSimpleReply(two.cookie, 0),
          Buffer.alloc(512, 7),
        );
      else
        server.send(
          encodeErrorChunk(one.cookie, { error: ERROR.EIO, message: 'ouch' }),
          encodeHoleChunk(two.cookie, 512, 512),
        );
      await assert.rejects(
        bad,
        isDiskError('EIO', script === SIMPLE ? /failed: EIO/ : /failed: ouch \(EIO\)/),
      );
      await good;
      assert.equal(target[0], script === SIMPLE ? 7 : 0);
    }
  });

  test("splits to the server's maximum and rounds reads to its minimum", async (t) => {
    const script = { size: 65536, blockSizes: { minimum: 1024, preferred: 4096, maximum: 4096 } };
    const { disk, server } = await connectScripted(t, { script });
    const bytes = pattern(65536);
    const target = Buffer.alloc(9000);
    const reading = disk.read(1500, target);
    const ranges: [number, number][] = [];
    for (let count = 0; count < 3; count++) {
      const { cookie, offset, length } = await server.request();
      ranges.push([offset, length]);
      server.send(encodeDataChunk(cookie, offset, bytes.subarray(offset, offset + length)));
    }
    await reading;
    assert.deepEqual(ranges, [
      [1024, 3072],
      [4096, 4096],
      [8192, 3072],
    ]);
    assert.equal(target.compare(bytes, 1500, 10500), 0);
  });

  test('does not read beyond a disk whose size is no multiple of anything', async (t) => {
    const { disk, server } = await connectScripted(t, { script: { size: 1000 } });
    const reading = disk.read(990, Buffer.alloc(10));
    const { cookie, offset, length } = await server.request();
    assert.deepEqual([offset, length], [512, 488]);
    server.send(encodeDataChunk(cookie, offset, Buffer.alloc(length)));
    await reading;
  });

  test('waits for all parts of a read, even if the first fails', async (t) => {
    const script = { blockSizes: { minimum: 512, preferred: 4096, maximum: 4096 } };
    const { disk, server } = await connectScripted(t, { script });
    let settled = false;
    const reading = disk.read(0, Buffer.alloc(8192)).finally(() => {
      settled = true;
    });
    const [one, two] = [await server.request(), await server.request()];
    server.send(encodeErrorChunk(one.cookie, { error: ERROR.EIO, message: '' }));
    const other = disk.read(8192, Buffer.alloc(512));
    const three = await server.request();
    server.send(encodeDataChunk(three.cookie, 8192, Buffer.alloc(512)));
    await other;
    assert.equal(settled, false);
    server.send(encodeDataChunk(two.cookie, 4096, Buffer.alloc(4096)));
    await assert.rejects(reading, isDiskError('EIO'));
  });

  test('sends each command in the form that the server knows', async (t) => {
    const flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES;
    const { disk, server } = await connectScripted(t, { script: { flags, size: 8 * 2 ** 30 } });
    const answer = async (): Promise<unknown> => {
      const { type, flags, offset, length, cookie } = await server.request();
      if (type === COMMAND.WRITE) await server.raw.receive(length);
      server.send(encodeSimpleReply(cookie, 0));
      return [type, flags, offset, length];
    };
    const both = async (action: Promise<void>, count = 1): Promise<unknown[]> => {
      const requests: unknown[] = [];
      for (let index = 0; index < count; index++) requests.push(await answer());
      await action;
      return requests;
    };
    const { WRITE, FLUSH, TRIM, WRITE_ZEROES } = COMMAND;
    const { FUA, NO_HOLE } = COMMAND_FLAG;
    assert.deepEqual(await both(disk.write(512, Buffer.alloc(512))), [[WRITE, 0, 512, 512]]);
    assert.deepEqual(await both(disk.write(512, Buffer.alloc(512), { fua: true })), [[WRITE, FUA, 512, 512]]);
    assert.deepEqual(await both(disk.flush()), [[FLUSH, 0, 0, 0]]);
    assert.deepEqual(await both(disk.discard(100, 1500)), [[TRIM, 0, 512, 1024]]);
    await disk.discard(100, 500);
    assert.deepEqual(await both(disk.writeZeroes(0, 512)), [[WRITE_ZEROES, NO_HOLE, 0, 512]]);
    assert.deepEqual(await both(disk.writeZeroes(0, 512, { mayPunch: true })), [[WRITE_ZEROES, 0, 0, 512]]);
    assert.deepEqual(await both(disk.discard(0, 2 ** 31 + 512), 3), [
      [TRIM, 0, 0, 2 ** 30],
      [TRIM, 0, 2 ** 30, 2 ** 30],
      [TRIM, 0, 2 ** 31, 512],
    ]);
  });

  test('does without what the server does not know', async (t) => {
    const { disk, server } = await connectScripted(t, {
      script: { ...SIMPLE, flags: HAS_FLAGS | SEND_FLUSH },
    });
    assert.deepEqual(disk.supports, {
      flush: true,
      fua: false,
      trim: false,
      writeZeroes: false,
      fastZeroes: false,
      multiConnection: false,
    });
    await disk.discard(0, 4096);
    const zeroing = disk.writeZeroes(0, 1024);
    const write = await server.request();
    assert.equal(write.type, COMMAND.WRITE);
    assert.deepEqual(await server.raw.receive(1024), Buffer.alloc(1024));
    server.send(encodeSimpleReply(write.cookie, 0));
    await zeroing;
    const writing = disk.write(0, Buffer.alloc(512), { fua: true });
    const { cookie, flags } = await server.request();
    assert.equal(flags, 0);
    await server.raw.receive(512);
    server.send(encodeSimpleReply(cookie, 0));
    const flush = await server.request();
    assert.equal(flush.type, COMMAND.FLUSH);
    server.send(encodeSimpleReply(flush.cookie, 0));
    await writing;
  });

  test('uses extended headers where the server has them', async (t) => {
    const flags = HAS_FLAGS | SEND_WRITE_ZEROES | SEND_FAST_ZERO;
    const size = 8 * 2 ** 40;
    const { disk, server } = await connectScripted(t, { script: { extendedHeaders: true, flags, size } });
    assert.ok(!server.options.includes(OPTION.STRUCTURED_REPLY));
    const far = 7 * 2 ** 40;
    const target = Buffer.alloc(512);
    const reading = disk.read(far, target);
    const read = await server.request();
    assert.deepEqual([read.type, read.flags, read.offset, read.length], [COMMAND.READ, 0, far, 512]);
    server.send(encodeDataChunk(read.cookie, far, Buffer.alloc(512, 3), { requestOffset: far }));
    await reading;
    assert.equal(target[511], 3);
    const writing = disk.write(0, Buffer.alloc(1024, 4));
    const write = await server.request();
    assert.deepEqual([write.flags, write.length], [COMMAND_FLAG.PAYLOAD_LEN, 1024]);
    assert.deepEqual(await server.raw.receive(1024), Buffer.alloc(1024, 4));
    server.send(encodeNoneChunk(write.cookie, { requestOffset: 0 }));
    await writing;
    const zeroing = disk.writeZeroes(0, size, { fast: true });
    const zeroes = await server.request();
    const { NO_HOLE, FAST_ZERO } = COMMAND_FLAG;
    assert.deepEqual(
      [zeroes.type, zeroes.flags, zeroes.length],
      [COMMAND.WRITE_ZEROES, NO_HOLE | FAST_ZERO, size],
    );
    server.send(encodeErrorChunk(zeroes.cookie, { error: ERROR.ENOTSUP, message: '' }, { requestOffset: 0 }));
    await assert.rejects(zeroing, isDiskError('ENOTSUP'));
  });

  test('does not ask for fast zeroes where nobody knows of them', async (t) => {
    for (const flags of [HAS_FLAGS, HAS_FLAGS | SEND_WRITE_ZEROES]) {
      const { disk } = await connectScripted(t, { script: { flags } });
      assert.equal(disk.supports.fastZeroes, false);
      await assert.rejects(disk.writeZeroes(0, 512, { fast: true }), isDiskError('ENOTSUP'));
    }
  });

  test('knows the name of the disk that our server gives it', async (t) => {
    const ours = await connectScripted(t, {
      script: { contexts: ['base:allocation', identityContext('5eed')] },
    });
    assert.equal(ours.disk.identity, '5eed');
    const other = await connectScripted(t, {
      script: { contexts: ['base:allocation', 'qemu:dirty-bitmap'] },
    });
    assert.equal(other.disk.identity, undefined);
    const old = await connectScripted(t, {
      script: {
        contexts: [identityContext('5eed')],
        refuse: {
          [OPTION.LIST_META_CONTEXT]: OPTION_REPLY.ERR_UNSUP,
          [OPTION.SET_META_CONTEXT]: OPTION_REPLY.ERR_UNSUP,
        },
      },
    });
    assert.equal(old.disk.identity, undefined);
    assert.equal(old.disk.extents?.(0, 512), undefined);
  });

  describe('asks for holes', () => {
    const GIB = 2 ** 30;
    const { HOLE, ZERO } = STATE;
    const blocks = { minimum: 512, preferred: 4096, maximum: 2 ** 25 };
    const script: Script = {
      contexts: ['x:y', ALLOCATION_CONTEXT],
      size: 16 * GIB + 100,
      blockSizes: blocks,
    };

    async function ask(
      t: TestContext,
      [offset, length]: readonly [number, number],
      descriptors: readonly StatusDescriptor[],
      more: Script = {},
    ) {
      const { disk, server } = await connectScripted(t, { script: { ...script, ...more } });
      assert.ok(disk.extents !== undefined);
      const asking = disk.extents(offset, length);
      const request = await server.request();
      assert.deepEqual([request.type, request.flags], [COMMAND.BLOCK_STATUS, 0]);
      const options = more.extendedHeaders === true ? { requestOffset: request.offset } : {};
      server.send(encodeStatusChunk(request.cookie, { contextId: 1, descriptors }, options));
      return { asked: [request.offset, request.length], extents: await asking };
    }

    const data = (length: number) => ({ length, hole: false, zero: false });
    const hole = (length: number) => ({ length, hole: true, zero: true });

    test('and gets them as they are', async (t) => {
      const { asked, extents } = await ask(
        t,
        [512, 4096],
        [
          { length: 1024, flags: 0 },
          { length: 3072, flags: HOLE | ZERO },
        ],
      );
      assert.deepEqual(asked, [512, 4096]);
      assert.deepEqual(extents, [data(1024), hole(3072)]);
    });

    test('in whole blocks, and cuts off what lies outside', async (t) => {
      const { asked, extents } = await ask(
        t,
        [700, 1000],
        [
          { length: 512, flags: 0 },
          { length: 1 * GIB, flags: HOLE | ZERO },
        ],
      );
      assert.deepEqual(asked, [512, 1536]);
      assert.deepEqual(extents, [data(324), hole(676)]);
    });

    test('up to an end that is no multiple of anything', async (t) => {
      const { asked, extents } = await ask(t, [16 * GIB, 100], [{ length: 100, flags: ZERO }]);
      assert.deepEqual(asked, [16 * GIB, 100]);
      assert.deepEqual(extents, [{ length: 100, hole: false, zero: true }]);
    });

    test('of less than it asked for, where the server says no more', async (t) => {
      const { extents } = await ask(t, [0, 8192], [{ length: 4096, flags: HOLE | ZERO }]);
      assert.deepEqual(extents, [hole(4096)]);
      const nothing = await ask(t, [100, 8192], [{ length: 50, flags: 0 }]);
      assert.deepEqual(nothing.extents, [data(8192)]);
    });

    test('of more than 4 GiB in parts, or at once with extended headers', async (t) => {
      const part = await ask(t, [0, 16 * GIB], [{ length: 2 ** 31, flags: 0 }]);
      assert.deepEqual(part.asked, [0, 2 ** 32 - 65536]);
      assert.deepEqual(part.extents, [data(2 ** 31)]);
      const whole = await ask(t, [0, 16 * GIB], [{ length: 16 * GIB, flags: HOLE | ZERO }], {
        extendedHeaders: true,
      });
      assert.deepEqual(whole.asked, [0, 16 * GIB]);
      assert.deepEqual(whole.extents, [hole(16 * GIB)]);
    });

    test('inside the disk only, and not for nothing', async (t) => {
      const { disk } = await connectScripted(t, { script });
      assert.deepEqual(await disk.extents?.(0, 0), []);
      await assert.rejects(async () => disk.extents?.(16 * GIB, 512), isDiskError('EINVAL', /not inside/));
    });
  });

  for (const [what, script] of [
    ['without NBD_OPT_GO', { refuse: { [OPTION.GO]: OPTION_REPLY.ERR_UNSUP } }],
    ['without fixed newstyle', { handshakeFlags: 0 }],
  ] as const) {
    test(`enters a server ${what} by NBD_OPT_EXPORT_NAME`, async (t) => {
      const { disk, server } = await connectScripted(t, { script: { ...script, size: 4096 } });
      assert.equal(server.options.at(-1), OPTION.EXPORT_NAME);
      assert.equal(disk.size, 4096);
    });
  }

  for (const [what, bytes, words] of [
    [
      'a web server',
      Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
      /the test does not speak NBD.*host and port/,
    ],
    ['an oldstyle server', hex('4e42444d41474943 0000420281861253 0000000000001000 00000000'), /oldstyle/],
    [
      'a reply to another option',
      Buffer.concat([encodeGreeting(3), encodeOptionReply(99, OPTION_REPLY.ACK)]),
      /no question/,
    ],
  ] as const) {
    test(`gives up on ${what} with a sentence`, async () => {
      const [clientSide, serverSide] = duplexPair();
      serverSide.write(bytes);
      const connecting = connectNbdOver(clientSide, { exportName: 'sda', peer: 'the test' });
      await assert.rejects(connecting, isNbdError('NBD_PROTOCOL', words));
    });
  }

  for (const [type, code, words] of [
    [OPTION_REPLY.ERR_TLS_REQD, 'NBD_REFUSED', /serves encrypted connections only/],
    [OPTION_REPLY.ERR_POLICY, 'NBD_REFUSED', /as the test wants \(NBD_REP_ERR_POLICY\)/],
    [OPTION_REPLY.ERR_UNKNOWN, 'NBD_UNKNOWN_EXPORT', /no export "sda"; it has none at all/],
  ] as const) {
    test(`explains ${code} for reply ${type.toString(16)}`, async () => {
      const [clientSide, serverSide] = duplexPair();
      serverSide.on('close', () => clientSide.destroy());
      const server = new ScriptedServer(serverSide, { refuse: { [OPTION.GO]: type } });
      const serving = server.handshake().catch(() => undefined);
      clientSide.on('finish', () => server.raw.hangUp());
      await assert.rejects(
        connectNbdOver(clientSide, { exportName: 'sda', peer: 'the test' }),
        isNbdError(code, words),
      );
      await serving;
    });
  }

  test('reports the loss of the connection once, to all requests and to `lost`', async (t) => {
    const { disk, server } = await connectScripted(t);
    const reads = Promise.allSettled([disk.read(0, Buffer.alloc(512)), disk.read(512, Buffer.alloc(512))]);
    const { cookie } = await server.request();
    // In the middle of the data.
    server.send(encodeDataChunk(cookie, 0, Buffer.alloc(512)).subarray(0, 100));
    server.raw.hangUp();
    for (const result of await reads) {
      assert.equal(result.status, 'rejected');
      isNbdError('NBD_LOST', /the test was lost/)(result.reason);
    }
    isNbdError('NBD_LOST', /the test was lost/)(await disk.lost);
    await assert.rejects(disk.read(0, Buffer.alloc(1)), isNbdError('NBD_LOST'));
    await disk.close();
  });

  test('gives the connection up when the server breaks the protocol', async (t) => {
    const { disk, server } = await connectScripted(t);
    const reading = disk.read(0, Buffer.alloc(512));
    await server.request();
    server.send(encodeSimpleReply(12345n, 0));
    await assert.rejects(reading, isNbdError('NBD_PROTOCOL', /cookie 12345/));
    isNbdError('NBD_PROTOCOL')(await disk.lost);
  });

  test('counts a server as lost that owes an answer and says nothing', async (t) => {
    const { disk, server } = await connectScripted(t, { requestTimeoutMs: 20 });
    const reading = disk.read(0, Buffer.alloc(512));
    // Real timers: how late they run out is up to the machine.
    const given = assert.rejects(reading, isNbdError('NBD_LOST', /the test has not answered for \d+\.\d s/));
    await server.request();
    await given;
    isNbdError('NBD_LOST')(await disk.lost);
  });

  test('keeps requests back when the server has many, and gives each its answer in the end', async (t) => {
    const { disk, server } = await connectScripted(t);
    const targets = Array.from({ length: 100 }, () => Buffer.alloc(512));
    const reads = Promise.all(targets.map((target, index) => disk.read(index * 512, target)));
    const cookies: (readonly [bigint, number])[] = [];
    const take = async (): Promise<void> => {
      const { cookie, offset } = await server.request();
      cookies.push([cookie, offset]);
    };
    while (cookies.length < 60) await take();
    // A 61st would be here by now.
    const early = await Promise.race([server.request(), nextTurn().then(() => nextTurn('none'))]);
    assert.equal(early, 'none');
    server.raw.hangUp();
    await assert.rejects(reads, isNbdError('NBD_LOST'));

    const other = await connectScripted(t);
    const more = Promise.all(targets.map((target, index) => other.disk.read(index * 512, target)));
    for (let count = 0; count < targets.length; count++) {
      const { cookie, offset } = await other.server.request();
      other.server.send(encodeDataChunk(cookie, offset, Buffer.alloc(512, offset / 512)));
    }
    await more;
    assert.deepEqual(
      targets.map(([first]) => first),
      targets.map((_, index) => index),
    );
  });

  describe('asks a silent server for a sign of life', () => {
    /** A client on a clock that only the test moves, which has waited in vain for an answer. */
    async function silence(t: TestContext, options: ConnectOptions = {}) {
      let now = 0;
      const { disk, server } = await connectScripted(t, { requestTimeoutMs: 30_000, ...options });
      t.mock.timers.enable({ apis: ['setTimeout'] });
      t.mock.method(performance, 'now', () => now);
      const pass = (ms: number): void => {
        now += ms;
        t.mock.timers.tick(ms);
      };
      const reading = disk.read(0, Buffer.alloc(512));
      const { cookie } = await server.request();
      const question = async (): Promise<bigint> => {
        const { type, offset, length, cookie } = await server.request();
        assert.deepEqual([type, offset, length], [COMMAND.READ, disk.size, 512]);
        return cookie;
      };
      const say = async (cookie: bigint): Promise<void> => {
        server.send(encodeErrorChunk(cookie, { error: ERROR.EINVAL, message: '' }));
        await nextTurn();
        await nextTurn();
      };
      return { disk, server, reading, cookie, pass, question, say };
    }

    test('and counts it as lost without one', async (t) => {
      const { reading, pass, question } = await silence(t);
      pass(30_000);
      await question();
      pass(9_999);
      const pending = await Promise.race([reading.catch(() => 'lost'), nextTurn('pending')]);
      assert.equal(pending, 'pending');
      pass(1);
      await assert.rejects(reading, isNbdError('NBD_LOST', /has not answered for 40.0 s/));
    });

    test('and waits for what it owes with one, but not for ever', async (t) => {
      const { disk, server, reading, cookie, pass, question, say } = await silence(t);
      pass(30_000);
      await say(await question());
      // From now on it is asked more often.
      for (let count = 0; count < 5; count++) {
        pass(10_000);
        await say(await question());
      }
      server.send(encodeDataChunk(cookie, 0, Buffer.alloc(512)));
      await reading;
      const second = assert.rejects(
        disk.read(0, Buffer.alloc(512)),
        isNbdError('NBD_LOST', /has not answered for 300.0 s/),
      );
      await server.request();
      pass(30_000);
      await say(await question());
      for (let count = 0; count < 26; count++) {
        pass(10_000);
        await say(await question());
      }
      pass(10_000);
      await second;
    });

    test('and does not mind data where there should be none', async (t) => {
      const { disk, server, reading, cookie, pass, question } = await silence(t);
      pass(30_000);
      server.send(
        encodeDataChunk(await question(), disk.size, Buffer.alloc(512)),
        encodeDataChunk(cookie, 0, Buffer.alloc(512)),
      );
      await reading;
    });
  });

  test('ends with the signal', async (t) => {
    const controller = new AbortController();
    const { disk, server } = await connectScripted(t, { signal: controller.signal });
    const reading = disk.read(0, Buffer.alloc(512));
    await server.request();
    controller.abort(new Error('enough'));
    await assert.rejects(reading, /enough/);
    await assert.rejects(disk.read(0, Buffer.alloc(512)), /enough/);
  });

  test('closing fails what is under way, and is not a loss', async (t) => {
    const { disk, server } = await connectScripted(t);
    const reading = disk.read(0, Buffer.alloc(512));
    await server.request();
    const closing = disk.close();
    assert.equal((await server.request()).type, COMMAND.DISC);
    server.raw.hangUp();
    await assert.rejects(reading, isNbdError('NBD_CLOSED'));
    await closing;
    const lost = await Promise.race([disk.lost, Promise.resolve('not lost')]);
    assert.equal(lost, 'not lost');
  });
});

describe('connecting', () => {
  test('to a port where nothing listens says so', async () => {
    const connecting = connectNbd({ transport: 'tcp', ...ownAddress(), exportName: '' });
    await assert.rejects(
      connecting,
      isNbdError('NBD_UNREACHABLE', /nothing answers on port \d+.*waiting for the server/),
    );
  });

  test('to a socket that does not exist says so', async () => {
    const connecting = connectNbd({ transport: 'unix', socketPath: '/nonexistent/socket', exportName: '' });
    await assert.rejects(connecting, isNbdError('NBD_UNREACHABLE', /\/nonexistent\/socket.*does not exist/));
    await assert.rejects(listExports({ socketPath: '/nonexistent/socket' }), isNbdError('NBD_UNREACHABLE'));
  });

  test('to a name that is not known says so', async () => {
    const connecting = connectNbd({
      transport: 'tcp',
      host: 'no-such-host.invalid',
      port: 7000,
      exportName: '',
    });
    await assert.rejects(connecting, isNbdError('NBD_UNREACHABLE', /no-such-host.invalid/));
  });

  test('to a server that says nothing ends in time', async (t) => {
    const port = await listen(t, () => {});
    const connecting = connectNbd(
      { transport: 'tcp', host: '127.0.0.1', port, exportName: '' },
      { connectTimeoutMs: 20 },
    );
    await assert.rejects(
      connecting,
      isNbdError('NBD_UNREACHABLE', /did not answer as an NBD server within 0.02 s/),
    );
  });

  test('to a server that hangs up at once is a loss', async (t) => {
    const port = await listen(t, (socket) => socket.destroy());
    const connecting = connectNbd({ transport: 'tcp', host: '127.0.0.1', port, exportName: '' });
    await assert.rejects(connecting, isNbdError('NBD_LOST'));
  });

  test('ends with the signal, before and while it is tried', async (t) => {
    const port = await listen(t, () => {});
    const address = { transport: 'tcp', host: '127.0.0.1', port, exportName: '' } as const;
    await assert.rejects(connectNbd(address, { signal: AbortSignal.abort(new Error('never')) }), /never/);
    const controller = new AbortController();
    const connecting = connectNbd(address, { signal: controller.signal });
    setImmediate(() => controller.abort(new Error('enough')));
    await assert.rejects(connecting, /enough/);
  });

  test('to an old server that hangs up on the name says that there is none', async (t) => {
    const port = await listen(t, async (socket) => {
      const server = new RawClient(socket);
      server.send(encodeGreeting(0));
      await server.receive(CLIENT_FLAGS_BYTES + OPTION_HEADER_BYTES + 'sda'.length);
      server.hangUp();
    });
    const connecting = connectNbd({ transport: 'tcp', host: '127.0.0.1', port, exportName: 'sda' });
    await assert.rejects(
      connecting,
      isNbdError('NBD_UNKNOWN_EXPORT', /hung up when asked for the export "sda"/),
    );
  });

  test('to a server that lists too much gives up', async (t) => {
    const port = await listen(t, async (socket) => {
      const server = new RawClient(socket);
      server.send(encodeGreeting(3));
      await server.receive(CLIENT_FLAGS_BYTES + OPTION_HEADER_BYTES);
      const entry = encodeServerReply(OPTION.LIST, { name: '', description: '' });
      server.send(...Array.from({ length: 10_001 }, () => entry));
    });
    await assert.rejects(
      listExports({ host: '127.0.0.1', port }),
      isNbdError('NBD_PROTOCOL', /more than 10000 exports/),
    );
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { DiskError } from '../disk.ts';
import { COMMAND, COMMAND_FLAG, ERROR, INFO, OPTION, OPTION_REPLY, TRANSMISSION_FLAG } from './constants.ts';
import { type ExportCatalog, type ExportedDisk, ExportRefusal } from './export-catalog.ts';
import { encodeClientFlags } from './handshake.ts';
import { MAX_OPTIONS, MAX_PAYLOAD_BYTES } from './limits.ts';
import { encodeMetaContextRequest } from './meta-contexts.ts';
import { decodeInfo, decodeServerReply } from './option-replies.ts';
import { encodeOption } from './options.ts';
import { decodeErrorPayload } from './replies.ts';
import {
  assertUsable,
  type Conversation,
  enter,
  go,
  greet,
  optionReplies,
  optionReply,
  request,
  simpleReply,
} from './testing/conversation.ts';
import { cuts, hex, toHex } from './testing/hex.ts';
import { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, memoryDisk, pattern, serveInMemory } from './testing/server-setup.ts';

const {
  HAS_FLAGS,
  READ_ONLY,
  SEND_FLUSH,
  SEND_FUA,
  SEND_TRIM,
  SEND_WRITE_ZEROES,
  SEND_DF,
  CAN_MULTI_CONN,
  SEND_CACHE,
  SEND_FAST_ZERO,
} = TRANSMISSION_FLAG;
const ALL = HAS_FLAGS | SEND_FLUSH | SEND_CACHE | CAN_MULTI_CONN;
const WRITABLE = ALL | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES | SEND_FAST_ZERO;

describe('in the handshake, the server', () => {
  test('lists its exports with their descriptions', async (t) => {
    const { client } = await greet(t, catalogOf({ sda: memoryDisk(512), sdb: memoryDisk(512) }));
    client.send(encodeOption(OPTION.LIST));
    const list = await optionReplies(client);
    assert.deepEqual(
      list.slice(0, -1).map(({ data }) => decodeServerReply(data)),
      [
        { name: 'sda', description: 'the disk sda' },
        { name: 'sdb', description: 'the disk sdb' },
      ],
    );
  });

  test('describes an export with what was asked for', async (t) => {
    const sectorSize = { logical: 4096, physical: 16384 };
    const { client } = await greet(t, catalogOf({ sda: memoryDisk(10_000, { sectorSize }) }));
    client.send(go('sda', [INFO.NAME, INFO.DESCRIPTION, INFO.BLOCK_SIZE, 99], OPTION.INFO));
    assert.deepEqual(
      (await optionReplies(client)).slice(0, -1).map(({ data }) => decodeInfo(data)),
      [
        { type: INFO.EXPORT, size: 8192, flags: WRITABLE },
        { type: INFO.NAME, name: 'sda' },
        { type: INFO.DESCRIPTION, description: 'the disk sda' },
        { type: INFO.BLOCK_SIZE, minimum: 4096, preferred: 16384, maximum: MAX_PAYLOAD_BYTES },
      ],
    );
    client.send(go('sda', [], OPTION.INFO));
    assert.equal((await optionReplies(client)).length, 2);
  });

  test('offers what the disk can do', async (t) => {
    const disks = { ro: memoryDisk(512, { readOnly: true }), rw: memoryDisk(512) };
    const flagsOf = async (client: Conversation['client'], name: string): Promise<number> => {
      client.send(go(name, [], OPTION.INFO));
      const [info] = await optionReplies(client);
      return info?.data.readUInt16BE(10) ?? 0;
    };
    const { client } = await greet(t, catalogOf(disks), { multiConnection: false });
    assert.equal(await flagsOf(client, 'ro'), ALL | READ_ONLY);
    assert.equal(await flagsOf(client, 'rw'), WRITABLE & ~CAN_MULTI_CONN);
    client.send(encodeOption(OPTION.STRUCTURED_REPLY));
    await optionReplies(client);
    assert.equal(await flagsOf(client, 'rw'), (WRITABLE | SEND_DF) & ~CAN_MULTI_CONN);
  });

  for (const [wanted, names, found] of [
    ['sda', ['sda', 'sdb'], 'sda'],
    ['/dev/sdb', ['sda', 'sdb'], 'sdb'],
    ['dev/sdb', ['sda', 'sdb'], 'sdb'],
    ['', ['sda'], 'sda'],
    ['', ['', 'sda'], ''],
    ['', ['sda', 'sdb'], undefined],
    ['', [], undefined],
    ['sdc', ['sda'], undefined],
    ['SDA', ['sda'], undefined],
    ['/dev/', ['sda'], undefined],
  ] as const) {
    test(`finds ${found ?? 'nothing'} when "${wanted}" is asked for among "${names.join('", "')}"`, async (t) => {
      const disks = Object.fromEntries(names.map((name) => [name, memoryDisk(512)]));
      const { client } = await greet(t, catalogOf(disks));
      client.send(go(wanted, [INFO.NAME]));
      const answer = await optionReplies(client);
      if (found === undefined) {
        assert.equal(answer[0]?.type, OPTION_REPLY.ERR_UNKNOWN);
        assert.equal(answer[0].data.toString(), `there is no export "${wanted}"`);
      } else {
        assert.equal(answer[1]?.data.subarray(2).toString(), found);
      }
    });
  }

  test('tells why an export cannot be opened, which is not the same as unknown', async (t) => {
    const { client } = await greet(t, {
      list: async () => [{ name: 'sda', description: '' }],
      open: async () => Promise.reject(new Error('sda is mounted')),
    });
    client.send(go('sda', []));
    const [answer] = await optionReplies(client);
    assert.equal(answer?.type, OPTION_REPLY.ERR_PLATFORM);
    assert.equal(answer.data.toString(), 'sda is mounted');
  });

  test('tells a peer that may see nothing why, and lets it in on the same connection when it may', async (t) => {
    let admitted = false;
    const { stream, ended } = serveInMemory(() =>
      admitted ? { catalog: catalogOf({ sda: memoryDisk(512) }) } : { refusal: 'pair with it first' },
    );
    const client = new RawClient(stream);
    t.after(async () => {
      client.hangUp();
      await ended;
    });
    await client.receive(18);
    client.send(encodeClientFlags(3));
    const query = encodeMetaContextRequest({ exportName: 'sda', queries: [] });
    for (const option of [
      encodeOption(OPTION.LIST),
      go('sda'),
      go('sda', [], OPTION.INFO),
      encodeOption(OPTION.LIST_META_CONTEXT, query),
    ]) {
      client.send(option);
      const { type, data } = await optionReply(client);
      assert.equal(type, OPTION_REPLY.ERR_POLICY);
      assert.equal(data.toString(), 'pair with it first');
    }
    admitted = true;
    client.send(go('sda'));
    assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
    await assertUsable(client);
  });

  test('tells why one export is not for this peer', async (t) => {
    const { client } = await greet(t, {
      list: async () => [],
      open: async () => Promise.reject(new ExportRefusal('the grant has ended')),
    });
    client.send(go('sda;grant=1'));
    const { type, data } = await optionReply(client);
    assert.equal(type, OPTION_REPLY.ERR_POLICY);
    assert.equal(data.toString(), 'the grant has ended');
  });

  test('describes an export that is not listed with the words of its disk', async (t) => {
    const disk: ExportedDisk = { ...altered(memoryDisk(512), {}), description: 'a granted disk' };
    const { client } = await greet(t, { list: async () => [], open: async () => disk });
    client.send(go('sda;grant=1', [INFO.DESCRIPTION]));
    const [, description] = await optionReplies(client);
    assert.equal(description?.data.toString('utf8', 2), 'a granted disk');
  });

  test('refuses options that it does not know, and goes on', async (t) => {
    const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
    for (const option of [0, OPTION.PEEK_EXPORT, 12, 0xffffffff]) {
      client.send(encodeOption(option, hex('0102')));
      const { type, data } = await optionReply(client);
      assert.equal(type, OPTION_REPLY.ERR_UNSUP);
      assert.match(data.toString(), /does not know/);
    }
    client.send(go('sda'));
    assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
    await assertUsable(client);
  });

  const invalid: [what: string, option: Buffer, type: number][] = [
    ['NBD_OPT_STARTTLS, as it has no key,', encodeOption(OPTION.STARTTLS), OPTION_REPLY.ERR_UNSUP],
    [
      'NBD_OPT_EXTENDED_HEADERS with data',
      encodeOption(OPTION.EXTENDED_HEADERS, hex('00')),
      OPTION_REPLY.ERR_INVALID,
    ],
    ['NBD_OPT_LIST with data', encodeOption(OPTION.LIST, hex('00')), OPTION_REPLY.ERR_INVALID],
    [
      'NBD_OPT_STRUCTURED_REPLY with data',
      encodeOption(OPTION.STRUCTURED_REPLY, hex('00')),
      OPTION_REPLY.ERR_INVALID,
    ],
    ['NBD_OPT_GO without data', encodeOption(OPTION.GO), OPTION_REPLY.ERR_INVALID],
    [
      'NBD_OPT_GO with a name beyond its end',
      encodeOption(OPTION.GO, hex('ffffffff0000')),
      OPTION_REPLY.ERR_INVALID,
    ],
    ['a name that is too long', go('x'.repeat(4097)), OPTION_REPLY.ERR_INVALID],
    [
      'a name that is not UTF-8',
      encodeOption(OPTION.INFO, hex('00000001 ff 0000')),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'an option with too much data',
      encodeOption(OPTION.GO, Buffer.alloc(100_000)),
      OPTION_REPLY.ERR_TOO_BIG,
    ],
  ];
  for (const [what, option, type] of invalid) {
    test(`refuses ${what}, and goes on`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
      client.send(option, encodeOption(OPTION.LIST));
      assert.equal((await optionReply(client)).type, type);
      assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
    });
  }

  test('tells the client what the catalog says when it fails', async (t) => {
    const failing: ExportCatalog = {
      list: async () => [{ name: 'sda', description: '' }],
      open: () => Promise.reject(new DiskError('EIO', 'no medium in sda')),
    };
    const { client } = await greet(t, failing);
    client.send(go('sda'));
    assert.equal((await optionReply(client)).data.toString(), 'no medium in sda');
    failing.list = () => Promise.reject(new Error('no sysfs'));
    client.send(encodeOption(OPTION.LIST));
    const { type, data } = await optionReply(client);
    assert.equal(type, OPTION_REPLY.ERR_PLATFORM);
    assert.equal(data.toString(), 'no sysfs');
  });

  test('acknowledges NBD_OPT_ABORT and hangs up', async (t) => {
    const { client, ended } = await greet(t, catalogOf({}));
    client.send(encodeOption(OPTION.ABORT));
    assert.equal((await optionReply(client)).type, OPTION_REPLY.ACK);
    await client.receiveToEnd();
    await ended;
  });

  for (const [flags, zeroes] of [
    [3, 0],
    [1, 124],
    [0, 124],
  ] as const) {
    test(`answers NBD_OPT_EXPORT_NAME with ${zeroes} zeroes for client flags ${flags}`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }), { flags });
      // A client may ask for data at once.
      client.send(encodeOption(OPTION.EXPORT_NAME, Buffer.from('sda')), request({ cookie: 5n, length: 512 }));
      const expected = `0000000000000200${WRITABLE.toString(16).padStart(4, '0')}${'00'.repeat(zeroes)}`;
      assert.equal(toHex(await client.receive(10 + zeroes)), expected);
      assert.deepEqual(await simpleReply(client), { error: 0, cookie: 5n });
      assert.deepEqual(await client.receive(512), Buffer.from(pattern(512)));
    });
  }

  const fatal: [what: string, bytes: Buffer][] = [
    ['an export name that it does not have', encodeOption(OPTION.EXPORT_NAME, Buffer.from('nope'))],
    ['an export name that is too long', encodeOption(OPTION.EXPORT_NAME, Buffer.alloc(4097, 'x'))],
    ['no magic number', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['options without end', Buffer.concat(Array.from({ length: MAX_OPTIONS + 1 }, () => encodeOption(99)))],
  ];
  for (const [what, bytes] of fatal) {
    test(`hangs up on ${what}`, async (t) => {
      const { client, ended } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
      client.send(bytes);
      await client.receiveToEnd();
      await ended;
    });
  }

  test('hangs up on client flags that it did not offer', async (t) => {
    const { client, ended } = await greet(t, catalogOf({}), { flags: 7 });
    await client.receiveToEnd();
    await ended;
  });

  test('answers a hundred options in a row', async (t) => {
    const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
    client.send(Buffer.concat(Array.from({ length: 100 }, () => encodeOption(OPTION.LIST))), go('sda'));
    for (let count = 0; count < 100; count++) assert.equal((await optionReplies(client)).length, 2);
    assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
  });

  test('hangs up on a client that does not choose in time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { client, ended } = await greet(t, catalogOf({}), { handshakeTimeoutMs: 300 });
    t.mock.timers.tick(300);
    await client.receiveToEnd();
    await ended;
  });

  test('closes a disk that was only described, and one whose connection ends', async (t) => {
    let closed = 0;
    const disk = altered(memoryDisk(512), { close: async () => void closed++ });
    const { client, ended } = await greet(t, catalogOf({ sda: disk }));
    client.send(go('sda', [], OPTION.INFO));
    await optionReplies(client);
    client.send(encodeOption(OPTION.LIST));
    await optionReplies(client);
    assert.equal(closed, 1);
    client.send(go('sda'));
    await optionReplies(client);
    client.hangUp();
    await ended;
    assert.equal(closed, 2);
  });

  test('ends when it is told to', async (t) => {
    const controller = new AbortController();
    const { client, ended } = await greet(t, catalogOf({}), { signal: controller.signal });
    controller.abort();
    await client.receiveToEnd();
    await ended;
  });
});

describe('in the transmission phase, the server', () => {
  test('reads with simple replies', async (t) => {
    const { client } = await enter(t, memoryDisk(4096));
    client.send(request({ cookie: 9n, offset: 1024, length: 4 }));
    assert.equal(
      toHex(await client.receive(20)),
      `67446698000000000000000000000009${toHex(pattern(4096).subarray(1024, 1028))}`,
    );
  });

  test('reads with structured replies', async (t) => {
    const { client } = await enter(t, memoryDisk(4096), { structured: true, blockSizes: true });
    client.send(request({ cookie: 9n, offset: 1024, length: 512 }));
    assert.equal(
      toHex(await client.receive(28)),
      '668e33ef0001000100000000000000090000020800000000000004 00'.replace(' ', ''),
    );
    assert.deepEqual(await client.receive(512), Buffer.from(pattern(4096).subarray(1024, 1536)));
  });

  test('rounds reads outwards to whole sectors for clients that do not know them', async (t) => {
    const disk = memoryDisk(16384, { sectorSize: { logical: 4096, physical: 4096 } });
    const asked: [number, number][] = [];
    const watched = altered(disk, {
      read: (offset, target) => {
        asked.push([offset, target.length]);
        return disk.read(offset, target);
      },
    });
    const { client } = await enter(t, watched);
    for (const [offset, length] of [
      [1, 1],
      [4095, 2],
      [0, 4096],
      [8192, 8192],
      [16383, 1],
    ] as const) {
      client.send(request({ offset, length }));
      assert.equal((await simpleReply(client)).error, 0);
      assert.deepEqual(
        await client.receive(length),
        Buffer.from(pattern(16384).subarray(offset, offset + length)),
      );
    }
    assert.deepEqual(asked, [
      [0, 4096],
      [0, 8192],
      [0, 4096],
      [8192, 8192],
      [12288, 4096],
    ]);
  });

  test('writes, zeroes, trims, flushes and caches, with the flags passed on', async (t) => {
    const calls: unknown[] = [];
    const disk = altered(memoryDisk(4096), {
      read: async (offset, target) => void calls.push(['read', offset, target.length]),
      write: async (offset, data, options) =>
        void calls.push(['write', offset, toHex(data.subarray(0, 2)), options?.fua]),
      writeZeroes: async (offset, length, options) =>
        void calls.push(['zero', offset, length, options?.mayPunch, options?.fast]),
      discard: async (offset, length) => void calls.push(['trim', offset, length]),
      flush: async () => void calls.push(['flush']),
    });
    const { client } = await enter(t, disk);
    const { WRITE, WRITE_ZEROES, TRIM, FLUSH, CACHE } = COMMAND;
    const { FUA, NO_HOLE, FAST_ZERO } = COMMAND_FLAG;
    for (const [message, expected] of [
      [
        Buffer.concat([request({ type: WRITE, length: 512 }), Buffer.alloc(512, 0xab)]),
        [['write', 0, 'abab', false]],
      ],
      [
        Buffer.concat([
          request({ type: WRITE, flags: FUA, offset: 512, length: 512 }),
          Buffer.alloc(512, 0xcd),
        ]),
        [['write', 512, 'cdcd', true]],
      ],
      [request({ type: WRITE_ZEROES, length: 1024 }), [['zero', 0, 1024, true, false]]],
      [
        request({ type: WRITE_ZEROES, flags: NO_HOLE | FUA, length: 1024 }),
        [['zero', 0, 1024, false, false], ['flush']],
      ],
      [request({ type: WRITE_ZEROES, flags: FAST_ZERO, length: 512 }), [['zero', 0, 512, true, true]]],
      [request({ type: TRIM, offset: 512, length: 1024 }), [['trim', 512, 1024]]],
      [request({ type: TRIM, flags: FUA, offset: 512, length: 1024 }), [['trim', 512, 1024], ['flush']]],
      [request({ type: FLUSH }), [['flush']]],
      [request({ type: CACHE, offset: 512, length: 1024 }), [['read', 512, 1024]]],
    ] as const) {
      client.send(message);
      assert.deepEqual(await simpleReply(client), { error: 0, cookie: 1n });
      assert.deepEqual(calls.splice(0), expected);
    }
  });

  test('takes requests that are cut at any byte', async (t) => {
    const disk = memoryDisk(1024);
    const messages = Buffer.concat([
      request({ type: COMMAND.WRITE, cookie: 1n, offset: 512, length: 512 }),
      Buffer.alloc(512, 0x5a),
      request({ type: COMMAND.FLUSH, cookie: 2n }),
    ]);
    for (const chunks of cuts(messages).filter((_, index) => index < 40 || index % 50 === 0)) {
      disk.bytes.fill(0);
      const { client } = await enter(t, disk);
      for (const chunk of chunks) client.send(chunk);
      const cookies = [await simpleReply(client), await simpleReply(client)].map(({ cookie }) => cookie);
      assert.deepEqual(
        cookies.toSorted((a, b) => Number(a - b)),
        [1n, 2n],
      );
      assert.equal(disk.bytes[1023], 0x5a);
      client.hangUp();
    }
  });

  for (const structured of [false, true]) {
    test(`refuses and goes on, with ${structured ? 'structured' : 'simple'} replies`, async (t) => {
      const { client } = await enter(t, memoryDisk(4096, { readOnly: true }), {
        structured,
        blockSizes: true,
      });
      const cases: [Buffer, number][] = [
        [request({ offset: 4096, length: 512 }), ERROR.EINVAL],
        [request({ offset: 1, length: 512 }), ERROR.EINVAL],
        [Buffer.concat([request({ type: COMMAND.WRITE, length: 512 }), Buffer.alloc(512)]), ERROR.EPERM],
        [
          Buffer.concat([request({ type: COMMAND.WRITE, offset: 4096, length: 512 }), Buffer.alloc(512)]),
          ERROR.ENOSPC,
        ],
        [request({ type: COMMAND.TRIM, length: 512 }), ERROR.EPERM],
        [request({ type: 99 }), ERROR.EINVAL],
      ];
      for (const [message, error] of cases) {
        client.send(message);
        if (structured) {
          const header = await client.receive(20);
          const told = decodeErrorPayload(
            header.readUInt16BE(6),
            await client.receive(header.readUInt32BE(16)),
          );
          assert.equal(told.error, error);
          assert.notEqual(told.message, '');
        } else {
          assert.equal((await simpleReply(client)).error, error);
        }
      }
      if (!structured) await assertUsable(client);
    });
  }

  test('skips the data of a write that is too long, and goes on', async (t) => {
    const disk = altered(memoryDisk(512), { size: 2 ** 40 });
    const { client } = await enter(t, disk);
    const length = MAX_PAYLOAD_BYTES + 512;
    client.send(request({ type: COMMAND.WRITE, cookie: 3n, length }), Buffer.alloc(length));
    assert.deepEqual(await simpleReply(client), { error: ERROR.EINVAL, cookie: 3n });
    await assertUsable(client);
  });

  test('answers errors of the disk to the request that met them, and goes on', async (t) => {
    const fail = (): Promise<never> => Promise.reject(new DiskError('ENOSPC', 'the disk is full'));
    const inner = memoryDisk(4096);
    const disk = altered(inner, {
      read: (offset, target) =>
        offset === 0 ? inner.read(offset, target) : Promise.reject(new DiskError('EIO', 'unreadable sector')),
      write: fail,
      flush: () => Promise.reject(new Error('something else')),
      discard: fail,
      writeZeroes: fail,
    });
    const { client } = await enter(t, disk);
    for (const [message, error] of [
      [request({ offset: 512, length: 512 }), ERROR.EIO],
      [Buffer.concat([request({ type: COMMAND.WRITE, length: 512 }), Buffer.alloc(512)]), ERROR.ENOSPC],
      [request({ type: COMMAND.FLUSH }), ERROR.EIO],
      [request({ type: COMMAND.TRIM, length: 512 }), ERROR.ENOSPC],
      [request({ type: COMMAND.WRITE_ZEROES, length: 512 }), ERROR.ENOSPC],
    ] as const) {
      client.send(message);
      assert.equal((await simpleReply(client)).error, error);
    }
    await assertUsable(client);
  });

  test('answers out of order, as requests are done', async (t) => {
    const inner = memoryDisk(4096);
    const slow = Promise.withResolvers<void>();
    const disk = altered(inner, {
      read: async (offset, target) => {
        if (offset === 512) await slow.promise;
        await inner.read(offset, target);
      },
    });
    const { client } = await enter(t, disk);
    client.send(request({ cookie: 1n, offset: 512, length: 512 }), request({ cookie: 2n, length: 512 }));
    assert.equal((await simpleReply(client)).cookie, 2n);
    await client.receive(512);
    slow.resolve();
    assert.equal((await simpleReply(client)).cookie, 1n);
    assert.deepEqual(await client.receive(512), Buffer.from(pattern(4096).subarray(512, 1024)));
  });

  for (const [what, limits, expected] of [
    ['requests', { maxRequestsInFlight: 3 }, 3],
    // The smallest buffer has 4096 bytes.
    ['bytes', { maxBytesInFlight: 8192 }, 2],
    ['bytes, but at least one request', { maxBytesInFlight: 1 }, 1],
  ] as const) {
    test(`takes no more ${what} in flight than it may`, async (t) => {
      const inner = memoryDisk(4096);
      const gate = Promise.withResolvers<void>();
      let underWay = 0;
      let most = 0;
      const full = Promise.withResolvers<void>();
      const disk = altered(inner, {
        read: async (offset, target) => {
          underWay++;
          most = Math.max(most, underWay);
          if (underWay === expected) full.resolve();
          await gate.promise;
          underWay--;
          await inner.read(offset, target);
        },
      });
      const { client } = await enter(t, disk, limits);
      const count = 20;
      for (let index = 0; index < count; index++)
        client.send(request({ cookie: BigInt(index), length: 512 }));
      await full.promise;
      gate.resolve();
      await client.receive(count * (16 + 512));
      assert.equal(most, expected);
    });
  }

  test('carries out what is under way after NBD_CMD_DISC, answers it and hangs up', async (t) => {
    const inner = memoryDisk(512);
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const disk = altered(inner, {
      read: async (offset, target) => {
        started.resolve();
        await gate.promise;
        await inner.read(offset, target);
      },
    });
    const { client, ended } = await enter(t, disk);
    client.send(
      request({ cookie: 4n, length: 512 }),
      request({ type: COMMAND.DISC }),
      request({ cookie: 5n, length: 512 }),
    );
    await started.promise;
    gate.resolve();
    assert.equal((await client.receiveToEnd()).length, 16 + 512);
    await ended;
  });

  for (const [what, bytes] of [
    ['between requests', hex('')],
    ['in the middle of a request', hex('25609513 0000')],
    [
      'in the middle of the data of a write',
      Buffer.concat([request({ type: COMMAND.WRITE, length: 512 }), hex('aa')]),
    ],
  ] as const) {
    test(`writes nothing and closes the disk when the client disappears ${what}`, async (t) => {
      const inner = memoryDisk(512);
      const closed = Promise.withResolvers<void>();
      const disk = altered(inner, {
        write: () => Promise.reject(new Error('must not happen')),
        close: async () => closed.resolve(),
      });
      const { client, ended } = await enter(t, disk);
      client.send(bytes);
      client.hangUp();
      await ended;
      await closed.promise;
      assert.deepEqual(inner.bytes, pattern(512));
    });
  }

  test('closes the disk only when the reads of a client that disappeared are done', async (t) => {
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const events: string[] = [];
    const disk = altered(memoryDisk(512), {
      read: async () => {
        started.resolve();
        await gate.promise;
        events.push('read');
      },
      close: async () => void events.push('close'),
    });
    const { client, ended } = await enter(t, disk);
    client.send(request({ length: 512 }));
    await started.promise;
    client.hangUp();
    gate.resolve();
    await ended;
    assert.deepEqual(events, ['read', 'close']);
  });

  test('hangs up on a request without its magic number', async (t) => {
    const { client, ended } = await enter(t, memoryDisk(512));
    client.send(Buffer.alloc(28, 0x11));
    await client.receiveToEnd();
    await ended;
  });

  test('survives a disk that fails to close', async (t) => {
    const disk = altered(memoryDisk(512), { close: () => Promise.reject(new Error('stuck')) });
    const { client, ended } = await enter(t, disk);
    client.hangUp();
    await ended;
  });
});

test('the server survives a stream that breaks', async () => {
  const { stream, ended } = serveInMemory(catalogOf({}));
  const broken = once(stream, 'error');
  stream.destroy(new Error('cable pulled'));
  await broken;
  await ended;
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Disk, DiskError } from '../disk.ts';
import { ByteBudget } from './byte-budget.ts';
import { COMMAND, COMMAND_FLAG, ERROR, REPLY_TYPE } from './constants.ts';
import { MAX_PAYLOAD_BYTES, PIECE_BYTES } from './limits.ts';
import { assertUsable, chunk, enter, errorIn, request, simpleReply } from './testing/conversation.ts';
import { type MemoryDiskOptions, MemoryDisk } from '../memory-disk.ts';
import { altered, memoryDisk, pattern } from './testing/server-setup.ts';

const MIB = 1024 * 1024;
const SIZE = 5 * MIB;
const BYTES = pattern(SIZE);
const { DF, FUA } = COMMAND_FLAG;

/** Says where long buffers differ, and does not print them. */
function assertSame(actual: Buffer, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length);
  if (actual.equals(expected)) return;
  assert.fail(`they differ at byte ${actual.findIndex((byte, index) => byte !== expected[index])}`);
}

function largeDisk(options?: Partial<MemoryDiskOptions>): MemoryDisk {
  return new MemoryDisk(Uint8Array.from(BYTES), options);
}

/** A disk that fails to read or write at a place. */
function broken(at: number): Disk {
  const inner = largeDisk();
  const fail = (offset: number, length: number): void => {
    if (offset <= at && at < offset + length) throw new DiskError('EIO', `bad sector at ${at}`);
  };
  return altered(inner, {
    read: async (offset, target) => {
      await inner.read(offset, target);
      fail(offset, target.length);
    },
    write: async (offset, data) => fail(offset, data.length),
  });
}

describe('a long read', () => {
  const expected = Buffer.from(BYTES.subarray(512, 512 + 4 * MIB));
  const fields = { offset: 512, length: 4 * MIB };

  test('is one reply without structured replies, and nothing comes between its pieces', async (t) => {
    const { client } = await enter(t, largeDisk());
    client.send(request({ cookie: 1n, ...fields }));
    for (let index = 0; index < 20; index++) client.send(request({ cookie: 2n, type: COMMAND.FLUSH }));
    let flushes = 0;
    for (;;) {
      const { cookie, error } = await simpleReply(client);
      assert.equal(error, 0);
      if (cookie === 1n) break;
      flushes++;
    }
    assertSame(await client.receive(4 * MIB), expected);
    for (; flushes < 20; flushes++) assert.equal((await simpleReply(client)).cookie, 2n);
    await assertUsable(client);
  });

  test('is several chunks with structured replies', async (t) => {
    const { client } = await enter(t, largeDisk(), { structured: true, blockSizes: true });
    client.send(request(fields));
    const data = Buffer.alloc(4 * MIB);
    let last = 0;
    for (let chunks = 0; last === 0; chunks++) {
      const { type, flags, payload } = await chunk(client);
      assert.equal(type, REPLY_TYPE.OFFSET_DATA);
      payload.copy(data, Number(payload.readBigUInt64BE(0)) - 512, 8);
      assert.ok(payload.length <= PIECE_BYTES + 8);
      assert.ok(chunks < 10);
      last = flags;
    }
    assertSame(data, expected);
  });

  test('is one chunk and an end if it must not be fragmented', async (t) => {
    const { client } = await enter(t, largeDisk(), { structured: true });
    client.send(request({ ...fields, flags: DF }));
    const { type, flags, payload } = await chunk(client);
    assert.equal(type, REPLY_TYPE.OFFSET_DATA);
    assert.equal(flags, 0);
    assertSame(payload.subarray(8), expected);
    const end = await chunk(client);
    assert.deepEqual([end.type, end.flags, end.payload.length], [REPLY_TYPE.NONE, 1, 0]);
  });

  test('may begin and end anywhere, of clients that do not know the sectors', async (t) => {
    const disk = largeDisk({ sectorSize: { logical: 4096, physical: 4096 } });
    const asked: number[] = [];
    const watched = altered(disk, {
      read: (offset, target) => {
        assert.equal(offset % 4096, 0);
        assert.equal(target.length % 4096, 0);
        asked.push(target.length);
        return disk.read(offset, target);
      },
    });
    const { client } = await enter(t, watched);
    for (const [offset, length] of [
      [4095, 3 * MIB + 2],
      [1, 2 * MIB],
      [4096, MIB + 1],
    ] as const) {
      client.send(request({ offset, length }));
      assert.equal((await simpleReply(client)).error, 0);
      const data = await client.receive(length);
      assertSame(data, BYTES.subarray(offset, offset + length));
    }
    assert.ok(Math.max(...asked) <= PIECE_BYTES);
  });

  test('holds no more than two pieces', async (t) => {
    const budget = new ByteBudget(64 * MIB);
    let most = 0;
    const inner = largeDisk();
    const disk = altered(inner, {
      read: async (offset, target) => {
        most = Math.max(most, budget.used);
        await inner.read(offset, target);
      },
    });
    const { client } = await enter(t, disk, { budget });
    client.send(request(fields));
    await client.receive(16 + 4 * MIB);
    assert.equal(most, 2 * PIECE_BYTES);
    await assertUsable(client);
    assert.equal(budget.used, 0);
  });

  for (const structured of [false, true]) {
    const words = structured ? 'structured' : 'simple';
    test(`that fails in its first piece is an error, with ${words} replies`, async (t) => {
      const { client } = await enter(t, broken(512), { structured });
      client.send(request(fields));
      const error = structured ? errorIn(await chunk(client)) : (await simpleReply(client)).error;
      assert.equal(error, ERROR.EIO);
      client.send(request({ offset: MIB, length: 512 }));
      if (structured) assert.equal((await chunk(client)).type, REPLY_TYPE.OFFSET_DATA);
      else assert.equal((await simpleReply(client)).error, 0);
    });
  }

  test('that fails later ends the connection with simple replies, which cannot tell it', async (t) => {
    const { client, ended } = await enter(t, broken(2 * MIB));
    client.send(request(fields));
    const received = await client.receiveToEnd();
    assert.ok(received.length < 16 + 4 * MIB);
    await ended;
  });

  test('that fails later has an error behind its chunks', async (t) => {
    const { client } = await enter(t, broken(2 * MIB), { structured: true });
    client.send(request(fields));
    for (;;) {
      const next = await chunk(client);
      if (next.type !== REPLY_TYPE.OFFSET_DATA) {
        assert.equal(errorIn(next), ERROR.EIO);
        assert.equal(next.flags, 1);
        break;
      }
      assert.equal(next.flags, 0);
    }
    client.send(request({ length: 512 }));
    assert.equal((await chunk(client)).type, REPLY_TYPE.OFFSET_DATA);
  });

  test('that fails later is filled up with zeros if it must not be fragmented, and then an error', async (t) => {
    const { client } = await enter(t, broken(2 * MIB), { structured: true });
    client.send(request({ ...fields, flags: DF }));
    const { flags, payload } = await chunk(client);
    assert.equal(flags, 0);
    assert.equal(payload.length, 8 + 4 * MIB);
    assertSame(payload.subarray(8, 8 + MIB), expected.subarray(0, MIB));
    assertSame(payload.subarray(8 + 3 * MIB), Buffer.alloc(MIB));
    assert.equal(errorIn(await chunk(client)), ERROR.EIO);
    client.send(request({ length: 512 }));
    assert.equal((await chunk(client)).type, REPLY_TYPE.OFFSET_DATA);
  });

  test('of a client that disappears closes the disk and gives its memory back', async (t) => {
    const budget = new ByteBudget(64 * MIB);
    const closed = Promise.withResolvers<void>();
    const disk = altered(largeDisk(), { close: async () => closed.resolve() });
    const { client, ended } = await enter(t, disk, { budget });
    for (let index = 0; index < 10; index++) client.send(request(fields));
    await client.receive(16 + MIB);
    client.hangUp();
    await ended;
    await closed.promise;
    assert.equal(budget.used, 0);
  });
});

describe('a long write', () => {
  const data = Buffer.from(BYTES.subarray(0, 3 * MIB).toReversed());
  const message = (fields: Partial<Parameters<typeof request>[0]> = {}): Buffer =>
    Buffer.concat([request({ type: COMMAND.WRITE, offset: 512, length: data.length, ...fields }), data]);

  test('is written piece by piece as it arrives, and flushed once if it must be on the disk', async (t) => {
    const calls: string[] = [];
    const inner = largeDisk();
    const disk = altered(inner, {
      write: async (offset, bytes, options) => {
        calls.push(`write ${bytes.length} ${options?.fua}`);
        await inner.write(offset, bytes);
      },
      flush: async () => void calls.push('flush'),
    });
    const { client } = await enter(t, disk);
    client.send(message({ flags: FUA }));
    assert.equal((await simpleReply(client)).error, 0);
    assertSame(data, inner.bytes.subarray(512, 512 + data.length));
    assert.deepEqual(calls, [...Array.from({ length: 3 }, () => `write ${MIB} false`), 'flush']);
    client.send(message());
    assert.equal((await simpleReply(client)).error, 0);
    assert.equal(calls.length, 7);
  });

  test('that fails in any piece is an error, and the rest is skipped', async (t) => {
    for (const at of [512, 512 + MIB, 512 + 3 * MIB - 1]) {
      const { client } = await enter(t, broken(at));
      client.send(message({ cookie: 8n }));
      assert.deepEqual(await simpleReply(client), { error: ERROR.EIO, cookie: 8n });
      client.send(request({ offset: 4 * MIB, length: 512 }));
      assert.equal((await simpleReply(client)).error, 0);
      await client.receive(512);
    }
  });

  test('whose flush fails is an error', async (t) => {
    const disk = altered(largeDisk(), { flush: () => Promise.reject(new DiskError('EIO', 'no')) });
    const { client } = await enter(t, disk);
    client.send(message({ flags: FUA }));
    assert.equal((await simpleReply(client)).error, ERROR.EIO);
  });

  test('that is cut off gives its memory back', async (t) => {
    const budget = new ByteBudget(64 * MIB);
    const { client, ended } = await enter(t, largeDisk(), { budget });
    client.send(message().subarray(0, 2 * MIB));
    client.hangUp();
    await ended;
    assert.equal(budget.used, 0);
  });
});

test('a cache request reads its range in pieces', async (t) => {
  const read: [number, number][] = [];
  const disk = altered(largeDisk(), {
    read: async (offset, target) => void read.push([offset, target.length]),
  });
  const { client } = await enter(t, disk);
  client.send(request({ type: COMMAND.CACHE, offset: MIB, length: 2 * MIB + 512 }));
  assert.equal((await simpleReply(client)).error, 0);
  assert.deepEqual(read, [
    [MIB, MIB],
    [2 * MIB, MIB],
    [3 * MIB, 512],
  ]);
});

test('many connections with many of the longest requests stay within the budget, and each gets its turn', async (t) => {
  const budget = new ByteBudget(8 * MIB);
  let most = 0;
  const disk = altered(memoryDisk(512), {
    size: MAX_PAYLOAD_BYTES,
    read: async (_offset, target) => {
      most = Math.max(most, budget.used);
      target.fill(0);
    },
  });
  const count = 12;
  const clients = await Promise.all(
    Array.from({ length: count }, async () => (await enter(t, disk, { budget })).client),
  );
  for (const client of clients) {
    for (let index = 0; index < 16; index++) client.send(request({ length: MAX_PAYLOAD_BYTES }));
  }
  await Promise.all(
    clients.map(async (client) => {
      await client.receive(16 + 2 * MIB);
      client.hangUp();
    }),
  );
  assert.ok(most <= 8 * MIB);
  assert.ok(most >= 4 * MIB);
});

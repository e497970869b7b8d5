import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeBlockStatus } from './block-status.ts';
import {
  COMMAND,
  COMMAND_FLAG,
  ERROR,
  OPTION,
  OPTION_REPLY,
  REPLY_TYPE,
  TRANSMISSION_FLAG,
} from './constants.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import { encodeMetaContextRequest } from './meta-contexts.ts';
import { encodeOption } from './options.ts';
import { encodeStatusFilter, type Request } from './requests.ts';
import {
  agree,
  enter,
  errorIn,
  extendedChunk,
  extendedRequest,
  go,
  greet,
  optionReplies,
  optionReply,
  request,
} from './testing/conversation.ts';
import { hex } from './testing/hex.ts';
import type { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, memoryDisk, pattern } from './testing/server-setup.ts';

const { PAYLOAD_LEN, FUA, DF } = COMMAND_FLAG;
const { READ, WRITE, WRITE_ZEROES, TRIM, FLUSH, CACHE, BLOCK_STATUS } = COMMAND;
const contexts = ['base:allocation'];

async function answer(
  client: RawClient,
  fields: Partial<Request>,
  ...payload: Uint8Array[]
): Promise<Awaited<ReturnType<typeof extendedChunk>>> {
  client.send(extendedRequest({ cookie: 5n, ...fields }), ...payload);
  const chunk = await extendedChunk(client);
  assert.equal(chunk.cookie, 5n);
  if (fields.offset === undefined || Number.isSafeInteger(fields.offset)) {
    assert.equal(chunk.requestOffset, fields.offset ?? 0);
  }
  return chunk;
}

async function assertReadable(client: RawClient): Promise<void> {
  const { type, payload } = await answer(client, { offset: 0, length: 512 });
  assert.equal(type, REPLY_TYPE.OFFSET_DATA);
  assert.deepEqual(payload.subarray(8), Buffer.from(pattern(512)));
}

describe('with extended headers, the server', () => {
  test('answers everything with extended chunks', async (t) => {
    const { client } = await enter(t, memoryDisk(8192), { extended: true, contexts });
    const data = Buffer.alloc(512, 0x5a);
    const expected: [fields: Partial<Request>, payload: Uint8Array[], type: number][] = [
      [{ type: READ, offset: 512, length: 512 }, [], REPLY_TYPE.OFFSET_DATA],
      [{ type: READ, flags: DF, offset: 512, length: 512 }, [], REPLY_TYPE.OFFSET_DATA],
      [{ type: WRITE, flags: PAYLOAD_LEN | FUA, offset: 512, length: 512 }, [data], REPLY_TYPE.NONE],
      [{ type: WRITE_ZEROES, offset: 1024, length: 1024 }, [], REPLY_TYPE.NONE],
      [{ type: TRIM, offset: 1024, length: 1024 }, [], REPLY_TYPE.NONE],
      [{ type: CACHE, offset: 1024, length: 1024 }, [], REPLY_TYPE.NONE],
      [{ type: FLUSH }, [], REPLY_TYPE.NONE],
      [{ type: BLOCK_STATUS, offset: 4096, length: 1024 }, [], REPLY_TYPE.BLOCK_STATUS_EXT],
      [{ type: READ, offset: 8192, length: 512 }, [], REPLY_TYPE.ERROR],
    ];
    for (const [fields, payload, type] of expected) {
      const chunk = await answer(client, fields, ...payload);
      assert.equal(chunk.type, type);
      assert.equal(chunk.flags, 1);
    }
    const { payload } = await answer(client, { offset: 512, length: 512 });
    assert.deepEqual(payload.subarray(8), data);
  });

  test('works on ranges of more than 4 GiB', async (t) => {
    const calls: unknown[] = [];
    const size = 2 ** 43;
    const small = memoryDisk(512);
    const disk = altered(small, {
      size,
      read: async () => {},
      writeZeroes: async (offset, length) => void calls.push(['zero', offset, length]),
      discard: async (offset, length) => void calls.push(['trim', offset, length]),
    });
    const { client } = await enter(t, disk, { extended: true, contexts });
    const range = { offset: 2 ** 41, length: 2 ** 42 };
    assert.equal((await answer(client, { type: WRITE_ZEROES, ...range })).type, REPLY_TYPE.NONE);
    assert.equal((await answer(client, { type: TRIM, ...range })).type, REPLY_TYPE.NONE);
    assert.deepEqual(calls, [
      ['zero', 2 ** 41, 2 ** 42],
      ['trim', 2 ** 41, 2 ** 42],
    ]);
    const { type, payload } = await answer(client, { type: BLOCK_STATUS, length: size });
    assert.equal(type, REPLY_TYPE.BLOCK_STATUS_EXT);
    assert.deepEqual(decodeBlockStatus(type, payload).descriptors, [{ length: size, flags: 0 }]);
  });

  test('repeats an offset that no number of JavaScript holds', async (t) => {
    const { client } = await enter(t, memoryDisk(4096), { extended: true });
    client.send(hex('21e41c71 0000 0000 0000000000000005 fffffffffffffe01 0000000000000200'));
    const header = await client.receive(32);
    assert.equal(header.readBigUInt64BE(16), 0xfffffffffffffe01n);
    assert.equal(header.readUInt16BE(6), REPLY_TYPE.ERROR);
    await client.receive(Number(header.readBigUInt64BE(24)));
    await assertReadable(client);
  });

  for (const [what, fields, payload] of [
    ['a WRITE without the flag of its payload', { type: WRITE, length: 512 }, 0],
    ['a READ with a payload', { type: READ, flags: PAYLOAD_LEN, length: 512 }, 512],
    ['a FLUSH with a payload', { type: FLUSH, flags: PAYLOAD_LEN, length: 3 }, 3],
    ['an unknown command with a payload', { type: 99, flags: PAYLOAD_LEN, length: 700 }, 700],
    ['a WRITE of half a sector', { type: WRITE, flags: PAYLOAD_LEN, length: 256 }, 256],
    ['a range whose length no number holds', { type: TRIM, length: 2 ** 63 }, 0],
  ] as const) {
    test(`refuses ${what}, skips what comes with it, and goes on`, async (t) => {
      const { client } = await enter(t, memoryDisk(4096), { extended: true, blockSizes: true });
      assert.equal(errorIn(await answer(client, fields, Buffer.alloc(payload))), ERROR.EINVAL);
      await assertReadable(client);
    });
  }

  test('hangs up on a payload that is too long to be skipped', async (t) => {
    const { client, ended } = await enter(t, memoryDisk(4096), { extended: true });
    client.send(extendedRequest({ type: WRITE, flags: PAYLOAD_LEN, length: MAX_PAYLOAD_BYTES + 1 }));
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
  });

  test('hangs up on a compact request', async (t) => {
    const { client, ended } = await enter(t, memoryDisk(4096), { extended: true });
    client.send(request({ length: 512 }), Buffer.alloc(4));
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
  });

  test('agrees whether structured replies were agreed on before or not, but not to structured ones after', async (t) => {
    for (const before of [[], [OPTION.STRUCTURED_REPLY]]) {
      const { client } = await greet(t, catalogOf({ sda: memoryDisk(4096) }));
      for (const option of before) await agree(client, option);
      await agree(client, OPTION.EXTENDED_HEADERS);
      client.send(encodeOption(OPTION.STRUCTURED_REPLY));
      assert.equal((await optionReply(client)).type, OPTION_REPLY.ERR_EXT_HEADER_REQD);
      client.send(go('sda'));
      await optionReplies(client);
      await assertReadable(client);
    }
  });

  test('hangs up on an export name, which extended headers rule out', async (t) => {
    const { client, ended } = await greet(t, catalogOf({ sda: memoryDisk(4096) }));
    await agree(client, OPTION.EXTENDED_HEADERS);
    client.send(encodeOption(OPTION.EXPORT_NAME, Buffer.from('sda')));
    assert.equal((await client.receiveToEnd()).length, 0);
    await ended;
  });
});

describe('asked for the status of blocks in some of the contexts, the server', () => {
  const identity = 'x-diskferry:disk:0badcafe';
  const disk = { ...altered(memoryDisk(8192), {}), identity: '0badcafe' };
  const both = { extended: true, contexts: ['base:allocation', identity] };
  const filtered = { type: BLOCK_STATUS, flags: PAYLOAD_LEN, offset: 512 };

  test('offers that only where contexts were selected', async (t) => {
    const flagsWith = async (options: { extended: boolean; contexts: string[] }): Promise<number> => {
      const { client } = await greet(t, catalogOf({ sda: disk }));
      await agree(client, options.extended ? OPTION.EXTENDED_HEADERS : OPTION.STRUCTURED_REPLY);
      const query = encodeMetaContextRequest({ exportName: 'sda', queries: options.contexts });
      await agree(client, OPTION.SET_META_CONTEXT, query);
      client.send(go('sda'));
      const [info] = await optionReplies(client);
      return (info?.data.readUInt16BE(10) ?? 0) & TRANSMISSION_FLAG.BLOCK_STATUS_PAYLOAD;
    };
    assert.notEqual(await flagsWith({ extended: true, contexts }), 0);
    assert.equal(await flagsWith({ extended: true, contexts: [] }), 0);
    assert.equal(await flagsWith({ extended: false, contexts }), 0);
  });

  test('answers in those', async (t) => {
    const { client } = await enter(t, disk, both);
    const filter = encodeStatusFilter({ length: 1024, contextIds: [2] });
    const { type, flags, payload } = await answer(client, { ...filtered, length: filter.length }, filter);
    assert.equal(flags, 1);
    assert.equal(type, REPLY_TYPE.BLOCK_STATUS_EXT);
    assert.deepEqual(decodeBlockStatus(type, payload), {
      contextId: 2,
      descriptors: [{ length: 1024, flags: 0 }],
    });
  });

  for (const [what, filter] of [
    ['one that was not selected', encodeStatusFilter({ length: 512, contextIds: [3] })],
    ['one twice', encodeStatusFilter({ length: 512, contextIds: [1, 1] })],
    ['more than there are', encodeStatusFilter({ length: 512, contextIds: [1, 2, 3] })],
    ['none', encodeStatusFilter({ length: 512, contextIds: [] })],
    ['half a one', Buffer.alloc(10)],
    ['a range beyond the end', encodeStatusFilter({ length: 8192, contextIds: [1] })],
    ['a range of nothing', encodeStatusFilter({ length: 0, contextIds: [1] })],
  ] as const) {
    test(`refuses ${what}, and goes on`, async (t) => {
      const { client } = await enter(t, disk, both);
      const chunk = await answer(client, { ...filtered, length: filter.length }, filter);
      assert.equal(errorIn(chunk), ERROR.EINVAL);
      await assertReadable(client);
    });
  }
});

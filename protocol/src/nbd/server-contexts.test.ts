import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Disk, DiskError, type Extent } from '../disk.ts';
import { decodeBlockStatus } from './block-status.ts';
import { COMMAND, COMMAND_FLAG, ERROR, OPTION, OPTION_REPLY, REPLY_TYPE } from './constants.ts';
import type { ExportedDisk } from './export-catalog.ts';
import { MAX_SENT_DESCRIPTORS } from './limits.ts';
import { decodeMetaContextReply, encodeMetaContextRequest } from './meta-contexts.ts';
import { encodeOption } from './options.ts';
import {
  agree,
  type Chunk,
  chunk,
  enter,
  errorIn,
  go,
  greet,
  optionReplies,
  optionReply,
  request,
} from './testing/conversation.ts';
import { hex } from './testing/hex.ts';
import type { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, memoryDisk } from './testing/server-setup.ts';

const { LIST_META_CONTEXT, SET_META_CONTEXT, STRUCTURED_REPLY } = OPTION;
const IDENTITY = 'x-diskferry:disk:0badcafe';

function named(disk: Disk): ExportedDisk {
  return { ...altered(disk, {}), identity: '0badcafe' };
}

/** A disk of alternating data and holes, so many bytes each. */
function striped(size: number, stripe: number, sector = 512): Disk {
  const sectorSize = { logical: sector, physical: sector };
  return altered(memoryDisk(size, { sectorSize }), {
    extents: async (offset, length) => {
      const extents: Extent[] = [];
      for (let at = offset; at < offset + length; ) {
        const end = Math.min(offset + length, at - (at % stripe) + stripe);
        const hole = Math.floor(at / stripe) % 2 === 1;
        extents.push({ length: end - at, hole, zero: hole });
        at = end;
      }
      return extents;
    },
  });
}

describe('asked for metadata contexts, the server', () => {
  const query = (exportName: string, ...queries: string[]): Buffer =>
    encodeMetaContextRequest({ exportName, queries });

  async function contexts(client: RawClient, option: number, ...queries: string[]): Promise<string[]> {
    const replies = await agree(client, option, query('sda', ...queries));
    return replies.map(({ data }) => decodeMetaContextReply(data).name);
  }

  for (const [queries, listed] of [
    [[], ['base:allocation', IDENTITY]],
    [['base:'], ['base:allocation']],
    [['base:allocation'], ['base:allocation']],
    [['x-diskferry:'], [IDENTITY]],
    [['x-diskferry:disk:'], []],
    [
      ['base:', 'x-diskferry:', 'base:allocation'],
      ['base:allocation', IDENTITY],
    ],
    [['base:other', 'qemu:dirty-bitmap:x', 'y:'], []],
  ] as const) {
    test(`lists ${listed.join(' and ') || 'nothing'} for "${queries.join('", "')}"`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: named(memoryDisk(512)) }));
      assert.deepEqual(await contexts(client, LIST_META_CONTEXT, ...queries), listed);
    });
  }

  for (const [queries, selected] of [
    [[], []],
    [['base:'], []],
    [['base:allocation'], ['base:allocation']],
    [['x-diskferry:'], []],
    [
      ['base:other', IDENTITY, 'base:allocation'],
      ['base:allocation', IDENTITY],
    ],
  ] as const) {
    test(`selects ${selected.join(' and ') || 'nothing'} for "${queries.join('", "')}"`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: named(memoryDisk(512)) }));
      await agree(client, STRUCTURED_REPLY);
      assert.deepEqual(await contexts(client, SET_META_CONTEXT, ...queries), selected);
    });
  }

  test('does not list the identity of a disk that has none', async (t) => {
    const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
    assert.deepEqual(await contexts(client, LIST_META_CONTEXT), ['base:allocation']);
  });

  test('gives contexts that are selected numbers of their own, and listed ones none', async (t) => {
    const { client } = await greet(t, catalogOf({ sda: named(memoryDisk(512)) }));
    await agree(client, STRUCTURED_REPLY);
    const ids = async (option: number): Promise<number[]> => {
      const replies = await agree(client, option, query('sda', 'base:allocation', IDENTITY));
      return replies.map(({ data }) => decodeMetaContextReply(data).id);
    };
    assert.deepEqual(await ids(LIST_META_CONTEXT), [0, 0]);
    assert.equal(new Set(await ids(SET_META_CONTEXT)).size, 2);
  });

  const refused: [what: string, option: Buffer, type: number][] = [
    [
      'a selection before structured replies were agreed on',
      encodeOption(SET_META_CONTEXT, query('sda', 'base:allocation')),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'contexts of an export that does not exist',
      encodeOption(LIST_META_CONTEXT, query('sdb')),
      OPTION_REPLY.ERR_UNKNOWN,
    ],
    [
      'a query without a namespace',
      encodeOption(LIST_META_CONTEXT, query('sda', 'allocation')),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'a query of an empty namespace',
      encodeOption(LIST_META_CONTEXT, query('sda', ':allocation')),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'a query beyond its data',
      encodeOption(LIST_META_CONTEXT, hex('00000003 736461 00000001 00000009 61')),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'a name that is too long',
      encodeOption(LIST_META_CONTEXT, hex(`00001001 ${'78'.repeat(4097)} 00000000`)),
      OPTION_REPLY.ERR_INVALID,
    ],
    [
      'queries that are too long together',
      encodeOption(
        LIST_META_CONTEXT,
        query('sda', ...Array.from({ length: 50 }, () => `x:${'y'.repeat(2000)}`)),
      ),
      OPTION_REPLY.ERR_TOO_BIG,
    ],
  ];
  for (const [what, option, type] of refused) {
    test(`refuses ${what}, and goes on`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: memoryDisk(512) }));
      client.send(option);
      assert.equal((await optionReply(client)).type, type);
      client.send(go('sda'));
      assert.equal((await optionReplies(client)).at(-1)?.type, OPTION_REPLY.ACK);
    });
  }

  const forgets: [what: string, then: Buffer, type: number][] = [
    ['a selection of nothing', encodeOption(SET_META_CONTEXT, query('sda')), OPTION_REPLY.ACK],
    [
      'a selection for another export',
      encodeOption(SET_META_CONTEXT, query('sdb', 'base:allocation')),
      OPTION_REPLY.ACK,
    ],
    [
      'a selection that fails',
      encodeOption(SET_META_CONTEXT, query('sdc', 'base:allocation')),
      OPTION_REPLY.ERR_UNKNOWN,
    ],
    ['a selection that makes no sense', encodeOption(SET_META_CONTEXT, hex('ff')), OPTION_REPLY.ERR_INVALID],
  ];
  for (const [what, then, type] of forgets) {
    test(`forgets what was selected after ${what}`, async (t) => {
      const { client } = await greet(t, catalogOf({ sda: memoryDisk(512), sdb: memoryDisk(512) }));
      await agree(client, STRUCTURED_REPLY);
      await agree(client, SET_META_CONTEXT, query('sda', 'base:allocation'));
      client.send(then);
      assert.equal((await optionReplies(client)).at(-1)?.type, type);
      client.send(go('sda'));
      await optionReplies(client);
      client.send(request({ type: COMMAND.BLOCK_STATUS, length: 512 }));
      assert.equal(errorIn(await chunk(client)), ERROR.EINVAL);
    });
  }

  test('closes the disk that it looked at', async (t) => {
    let open = 0;
    const disk = altered(memoryDisk(512), { close: async () => void open-- });
    const { client } = await greet(t, {
      list: async () => [],
      open: async () => {
        open++;
        return disk;
      },
    });
    await contexts(client, LIST_META_CONTEXT);
    assert.equal(open, 0);
  });
});

describe('asked for the status of blocks, the server', () => {
  const { BLOCK_STATUS } = COMMAND;
  const contexts = ['base:allocation'];

  async function status(client: RawClient, fields: Partial<Parameters<typeof request>[0]>): Promise<Chunk> {
    client.send(request({ type: BLOCK_STATUS, cookie: 3n, ...fields }));
    const answer = await chunk(client);
    assert.equal(answer.cookie, 3n);
    assert.equal(answer.flags, 1);
    return answer;
  }

  /** Lengths and flags. */
  async function extents(
    client: RawClient,
    fields: Partial<Parameters<typeof request>[0]>,
  ): Promise<[number, number][]> {
    const { type, payload } = await status(client, fields);
    assert.equal(type, REPLY_TYPE.BLOCK_STATUS);
    const { descriptors } = decodeBlockStatus(REPLY_TYPE.BLOCK_STATUS, payload);
    return descriptors.map(({ length, flags }) => [length, flags]);
  }

  test('tells data and holes inside the range', async (t) => {
    const { client } = await enter(t, striped(64 * 1024, 4096), { structured: true, contexts });
    assert.deepEqual(await extents(client, { offset: 1024, length: 10_240 }), [
      [3072, 0],
      [4096, 3],
      [3072, 0],
    ]);
    assert.deepEqual(await extents(client, { offset: 4096, length: 4096 }), [[4096, 3]]);
  });

  test('tells one extent of at most the range if it is asked for one', async (t) => {
    const { client } = await enter(t, striped(64 * 1024, 4096), { structured: true, contexts });
    const flags = COMMAND_FLAG.REQ_ONE;
    assert.deepEqual(await extents(client, { flags, length: 32_768 }), [[4096, 0]]);
    assert.deepEqual(await extents(client, { flags, offset: 512, length: 512 }), [[512, 0]]);
  });

  test('calls everything data where the disk knows nothing', async (t) => {
    const { client } = await enter(t, memoryDisk(64 * 1024), { structured: true, contexts });
    assert.deepEqual(await extents(client, { offset: 512, length: 8192 }), [[8192, 0]]);
  });

  test('joins neighbours that are the same, and asks on where the disk stopped early', async (t) => {
    const asked: [number, number][] = [];
    const disk = altered(memoryDisk(64 * 1024), {
      extents: async (offset, length) => {
        asked.push([offset, length]);
        return [{ length: Math.min(length, 4096), hole: offset < 8192, zero: offset < 8192 }];
      },
    });
    const { client } = await enter(t, disk, { structured: true, contexts });
    assert.deepEqual(await extents(client, { length: 16_384 }), [
      [8192, 3],
      [8192, 0],
    ]);
    assert.deepEqual(asked[1], [4096, 12_288]);
  });

  test('tells no more extents at once than it should', async (t) => {
    const { client } = await enter(t, striped(8 * 1024 * 1024, 512), { structured: true, contexts });
    const found = await extents(client, { length: 8 * 1024 * 1024 });
    assert.equal(found.length, MAX_SENT_DESCRIPTORS);
    assert.deepEqual(found.at(-1), [512, 3]);
  });

  test('answers for ranges of half sectors, of clients that do not know the sectors', async (t) => {
    const { client } = await enter(t, striped(64 * 1024, 4096, 4096), { structured: true, contexts });
    assert.deepEqual(await extents(client, { offset: 4000, length: 200 }), [
      [96, 0],
      [104, 3],
    ]);
  });

  test('answers in each context that was selected, in one reply', async (t) => {
    const disk = named(memoryDisk(64 * 1024));
    const { client } = await enter(t, disk, { structured: true, contexts: ['base:allocation', IDENTITY] });
    client.send(request({ type: BLOCK_STATUS, length: 4096 }));
    const answers = [await chunk(client), await chunk(client)];
    assert.deepEqual(
      answers.map(({ flags }) => flags),
      [0, 1],
    );
    const statuses = answers.map(({ payload }) => decodeBlockStatus(REPLY_TYPE.BLOCK_STATUS, payload));
    assert.equal(new Set(statuses.map(({ contextId }) => contextId)).size, 2);
    for (const { descriptors } of statuses) assert.deepEqual(descriptors, [{ length: 4096, flags: 0 }]);
  });

  for (const [what, fields] of [
    ['no bytes', { length: 0 }],
    ['a range beyond the end', { offset: 60 * 1024, length: 8192 }],
    ['a flag without a meaning', { flags: COMMAND_FLAG.DF, length: 512 }],
  ] as const) {
    test(`refuses ${what}, and goes on`, async (t) => {
      const { client } = await enter(t, memoryDisk(64 * 1024), { structured: true, contexts });
      assert.equal(errorIn(await status(client, fields)), ERROR.EINVAL);
      assert.deepEqual(await extents(client, { length: 512 }), [[512, 0]]);
    });
  }

  test('passes on the error of a disk, and goes on', async (t) => {
    let broken = true;
    const disk = altered(memoryDisk(64 * 1024), {
      extents: async (_offset, length) => {
        if (broken) throw new DiskError('EIO', 'no way to know');
        return [{ length, hole: false, zero: false }];
      },
    });
    const { client } = await enter(t, disk, { structured: true, contexts });
    assert.equal(errorIn(await status(client, { length: 512 })), ERROR.EIO);
    broken = false;
    assert.deepEqual(await extents(client, { length: 512 }), [[512, 0]]);
  });

  test('survives a disk that tells nothing at all', async (t) => {
    const disk = altered(memoryDisk(64 * 1024), { extents: async () => [] });
    const { client } = await enter(t, disk, { structured: true, contexts });
    assert.equal(errorIn(await status(client, { length: 512 })), ERROR.EIO);
  });
});

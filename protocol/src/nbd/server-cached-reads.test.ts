import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import type { Disk, DiskCache } from '../disk.ts';
import { DiskError } from '../disk.ts';
import { OPTION, REPLY_TYPE } from './constants.ts';
import { encodeClientFlags } from './handshake.ts';
import { serveConnection } from './server.ts';
import { agree, chunk, go, optionReplies, request, simpleReply } from './testing/conversation.ts';
import { RawClient } from './testing/raw-client.ts';
import { altered, catalogOf, listen, memoryDisk, pattern } from './testing/server-setup.ts';

const SIZE = 512 * 1024;
const BYTES = Buffer.from(pattern(SIZE));

interface CacheScript {
  /** For how many bytes of a message the socket seems to have room. */
  readonly room?: (message: { readonly header: number; readonly length: number }) => number;
  readonly has?: boolean;
}

/** A cache that puts bytes on the socket with a call of its own, as the native one does. */
function cacheOver({ room = ({ length }) => length, has = true }: CacheScript): DiskCache {
  return {
    has: () => has,
    read: (offset, target) => {
      if (!has) return false;
      target.set(BYTES.subarray(offset, offset + target.length));
      return true;
    },
    send: (socket, header, offset, length) => {
      if (!has) return 0;
      const message = Buffer.concat([header, BYTES.subarray(offset, offset + length)]);
      const most = Math.min(room({ header: header.length, length: message.length }), message.length);
      try {
        return most === 0 ? 0 : writeSync(socket, message, 0, most);
      } catch {
        return 0;
      }
    },
  };
}

async function enterOverTcp(t: TestContext, disk: Disk, { structured = false } = {}): Promise<RawClient> {
  const port = await listen(t, (socket) =>
    serveConnection(socket, () => ({ catalog: catalogOf({ sda: disk }) })),
  );
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const client = new RawClient(socket);
  await client.receive(18);
  client.send(encodeClientFlags(3));
  if (structured) await agree(client, OPTION.STRUCTURED_REPLY);
  client.send(go('sda'));
  await optionReplies(client);
  return client;
}

function cachedDisk(script: CacheScript, methods: Partial<Disk> = {}): Disk {
  return altered(memoryDisk(SIZE), { cache: cacheOver(script), ...methods });
}

const noReads: Partial<Disk> = {
  read: () => Promise.reject(new DiskError('EIO', 'the disk must not be asked')),
};

/** Asks for parts of the disk at once, some with other commands between, and compares what comes. */
async function assertReads(client: RawClient): Promise<void> {
  const ranges = Array.from({ length: 24 }, (_, index) => ({
    cookie: BigInt(index),
    offset: (index % 4) * 65_536,
    length: index % 3 === 0 ? 512 : 131_072 + 512 * index,
  }));
  client.send(...ranges.map((range) => request(range)));
  for (let count = 0; count < ranges.length; count++) {
    const { cookie, error } = await simpleReply(client);
    assert.equal(error, 0);
    const { offset, length } = ranges[Number(cookie)] as (typeof ranges)[0];
    assert.ok((await client.receive(length)).equals(BYTES.subarray(offset, offset + length)));
  }
}

describe('reads of what lies in memory', () => {
  test('are answered without asking the disk, past the stream and through it', async (t) => {
    await assertReads(await enterOverTcp(t, cachedDisk({}, noReads)));
  });

  const rooms: [what: string, room: NonNullable<CacheScript['room']>][] = [
    ['takes nothing at first', () => 0],
    ['takes half of each message', ({ length }) => Math.floor(length / 2)],
    ['takes a part of the header at first', ({ header, length }) => (header > 0 ? 7 : length)],
    ['takes the header at first', ({ header, length }) => (header > 0 ? header : length)],
    ['takes odd parts', ({ length }) => 1000 + (length % 7777)],
  ];
  for (const [what, room] of rooms) {
    test(`are complete if the socket ${what}`, async (t) => {
      await assertReads(await enterOverTcp(t, cachedDisk({ room })));
    });
  }

  test('that turn out not to be there are read from the disk', async (t) => {
    await assertReads(await enterOverTcp(t, cachedDisk({ has: false })));
  });

  test('have the header that was agreed on', async (t) => {
    const client = await enterOverTcp(t, cachedDisk({}, noReads), { structured: true });
    client.send(request({ cookie: 4n, offset: 512, length: 65_536 }));
    const { type, flags, cookie, payload } = await chunk(client);
    assert.deepEqual([type, flags, cookie], [REPLY_TYPE.OFFSET_DATA, 1, 4n]);
    assert.equal(payload.readBigUInt64BE(0), 512n);
    assert.ok(payload.subarray(8).equals(BYTES.subarray(512, 512 + 65_536)));
  });

  test('end the connection if the rest of an answer that has begun cannot be read', async (t) => {
    const cache = cacheOver({ room: () => 1000 });
    const broken = altered(memoryDisk(SIZE), { ...noReads, cache: { ...cache, read: () => false } });
    const client = await enterOverTcp(t, broken);
    client.send(request({ length: 65_536 }));
    assert.equal((await client.receiveToEnd()).length, 1000);
  });
});

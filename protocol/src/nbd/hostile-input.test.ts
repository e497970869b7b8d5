import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { connectNbdOver } from './client.ts';
import { COMMAND, OPTION } from './constants.ts';
import { encodeClientFlags } from './handshake.ts';
import { encodeInfoRequest, encodeOption } from './options.ts';
import { encodeDataChunk, encodeErrorChunk, encodeHoleChunk, encodeSimpleReply } from './replies.ts';
import { encodeRequest } from './requests.ts';
import { RawClient } from './testing/raw-client.ts';
import { ScriptedServer } from './testing/scripted-server.ts';
import { catalogOf, memoryDisk, pattern, serveInMemory } from './testing/server-setup.ts';

const RUNS = { numRuns: 150 };
const cookie = fc.bigInt({ min: 0n, max: 3n });
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
const number = fc.oneof(fc.nat(2048), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constant(512));

/** Real messages with some bytes changed, in any order, with rubbish between. */
function spoilt(messages: fc.Arbitrary<Buffer>[]): fc.Arbitrary<Buffer> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });
  return fc
    .tuple(fc.array(fc.oneof(...messages, bytes), { maxLength: 12 }), changes)
    .map(([parts, changes]) => {
      const all = Buffer.concat(parts);
      for (const [place, value] of changes) if (all.length > 0) all[place % all.length] = value;
      return all;
    });
}

describe('whatever a stranger sends', () => {
  const option = fc
    .tuple(fc.integer({ min: 0, max: 12 }), bytes)
    .map(([option, data]) => encodeOption(option, data));
  const go = fc.constant(encodeOption(OPTION.GO, encodeInfoRequest({ exportName: 'sda', infos: [3] })));
  const request = fc
    .record({ flags: fc.nat(9), type: fc.nat(9), cookie, offset: number, length: number })
    .map((fields) => encodeRequest(fields));
  const write = fc.constant(
    Buffer.concat([
      encodeRequest({ flags: 0, type: COMMAND.WRITE, cookie: 1n, offset: 0, length: 512 }),
      Buffer.alloc(512),
    ]),
  );

  test('the server ends that connection at its end, and a read-only disk stays as it was', async () => {
    const disk = memoryDisk(8192, { readOnly: true });
    await fc.assert(
      fc.asyncProperty(fc.boolean(), spoilt([option, go, request, write]), async (enters, input) => {
        const { stream, ended } = serveInMemory(catalogOf({ sda: disk }), { maxBytesInFlight: 4096 });
        const client = new RawClient(stream);
        stream.on('data', () => {});
        const opening = encodeOption(OPTION.GO, encodeInfoRequest({ exportName: 'sda', infos: [] }));
        if (enters) client.send(encodeClientFlags(3), opening, input);
        else client.send(input);
        stream.end(() => setImmediate(() => client.hangUp()));
        await ended;
      }),
      RUNS,
    );
    assert.deepEqual(disk.bytes, pattern(8192));
  });

  const reply = fc.oneof(
    fc.tuple(cookie, fc.nat(30)).map(([cookie, error]) => encodeSimpleReply(cookie, error)),
    fc.tuple(cookie, number, bytes).map(([cookie, offset, data]) => encodeDataChunk(cookie, offset, data)),
    fc.tuple(cookie, number, number).map(([cookie, offset, size]) => encodeHoleChunk(cookie, offset, size)),
    fc.tuple(cookie, fc.nat(30)).map(([cookie, error]) => encodeErrorChunk(cookie, { error, message: 'x' })),
  );

  test('the client settles every request', async () => {
    await fc.assert(
      fc.asyncProperty(spoilt([reply]), async (input) => {
        const [clientSide, serverSide] = duplexPair();
        serverSide.on('close', () => clientSide.destroy());
        clientSide.on('close', () => serverSide.destroy());
        const server = new ScriptedServer(serverSide);
        const connecting = connectNbdOver(clientSide, { exportName: 'sda', peer: 'the test' });
        await server.handshake();
        const disk = await connecting;
        const reads = [0, 512].map((offset) => disk.read(offset, Buffer.alloc(512)));
        await server.request();
        await server.request();
        server.send(input);
        setImmediate(() => server.raw.hangUp());
        await Promise.allSettled(reads);
        await disk.close();
      }),
      RUNS,
    );
  });
});

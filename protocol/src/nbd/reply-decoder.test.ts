import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { StatusDescriptor } from './block-status.ts';
import { ChunkReader } from './chunk-reader.ts';
import { COMMAND, STATE } from './constants.ts';
import { NbdError } from './nbd-error.ts';
import {
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeNoneChunk,
  encodeSimpleReply,
  encodeStatusChunk,
} from './replies.ts';
import { type Headers, type PendingRequest, ReplyDecoder } from './reply-decoder.ts';
import { cuts, hex, isProtocolError } from './testing/hex.ts';

const CONTEXT = 7;
const { HOLE, ZERO } = STATE;

function pending(fields: Partial<PendingRequest> = {}): PendingRequest {
  return { type: COMMAND.READ, offset: 0, target: undefined, ...fields };
}

const status = (offset = 0): PendingRequest => pending({ type: COMMAND.BLOCK_STATUS, offset });

/** The answers in some bytes, in words. */
function decode(
  requests: Map<bigint, PendingRequest>,
  chunks: Iterable<Buffer>,
  headers: Headers,
): { answers: string[]; isEmpty: boolean } {
  const reader = new ChunkReader();
  const decoder = new ReplyDecoder(reader, requests, { headers, allocationContext: CONTEXT });
  const answers: string[] = [];
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    decoder.push(lent);
    for (let answer = decoder.next(); answer !== undefined; answer = decoder.next()) {
      requests.delete(answer.cookie);
      answers.push(`${answer.cookie} ${answer.error?.message ?? 'done'}`);
    }
    // The chunk is used again for other bytes.
    lent.fill(0x55);
  }
  return { answers, isEmpty: reader.isEmpty };
}

/** So many descriptors, whose lengths count up from 512 by 512. */
function descriptors(count: number): StatusDescriptor[] {
  return Array.from({ length: count }, (_, index) => ({
    length: 512 * (index + 1),
    flags: index % 2 === 0 ? 0 : HOLE | ZERO,
  }));
}

describe('the decoder of replies with extended headers', () => {
  test('finds the same in replies that are mixed, glued together or cut at any byte', () => {
    const extended = (requestOffset: number, done = true) => ({ requestOffset, done });
    const messages = Buffer.concat([
      encodeDataChunk(1n, 102, hex('0304'), extended(100, false)),
      encodeNoneChunk(2n, { requestOffset: 0 }),
      encodeErrorChunk(3n, { error: 5, message: 'broken' }, extended(2 ** 40)),
      encodeStatusChunk(
        4n,
        { contextId: CONTEXT, descriptors: [{ length: 2 ** 40, flags: HOLE }] },
        extended(8),
      ),
      encodeHoleChunk(1n, 100, 2, extended(100)),
    ]);
    for (const chunks of cuts(messages)) {
      const target = Buffer.alloc(4, 0xff);
      const asked = status(8);
      const requests = new Map([
        [1n, pending({ offset: 100, target })],
        [2n, pending({ type: COMMAND.FLUSH })],
        [3n, pending({ offset: 2 ** 40, target: Buffer.alloc(9) })],
        [4n, asked],
      ]);
      const { answers, isEmpty } = decode(requests, chunks, 'extended');
      assert.deepEqual(answers, ['2 done', '3 broken', '4 done', '1 done']);
      assert.deepEqual(target, hex('00000304'));
      assert.deepEqual(asked.extents, [{ length: 2 ** 40, hole: true, zero: false }]);
      assert.ok(isEmpty);
    }
  });

  const violations: readonly (readonly [what: string, bytes: Buffer, words: RegExp])[] = [
    ['a simple reply', encodeSimpleReply(1n, 0), /magic number that was agreed on/],
    ['a reply with short headers', encodeNoneChunk(2n), /magic number that was agreed on/],
    [
      'a reply for another offset than that of its request',
      encodeDataChunk(1n, 100, Buffer.alloc(4), { requestOffset: 101 }),
      /another offset/,
    ],
    [
      'a status in the short form',
      Buffer.concat([
        hex('6e8a278c 0001 0005 0000000000000003 0000000000000000 000000000000000c'),
        hex('00000007 00000200 00000000'),
      ]),
      /BLOCK_STATUS of 12 bytes/,
    ],
    [
      'a status that counts wrong',
      hex(
        '6e8a278c 0001 0006 0000000000000003 0000000000000000 0000000000000018 00000007 00000002 0000000000000200 0000000000000000',
      ),
      /makes no sense/,
    ],
    [
      'data of 2^63 bytes',
      hex('6e8a278c 0001 0001 0000000000000001 0000000000000064 8000000000000000 0000000000000064'),
      /not asked for/,
    ],
  ];
  for (const [what, bytes, words] of violations) {
    test(`gives up on ${what}`, () => {
      const requests = new Map([
        [1n, pending({ offset: 100, target: Buffer.alloc(4) })],
        [2n, pending({ type: COMMAND.FLUSH })],
        [3n, status()],
      ]);
      assert.throws(() => decode(requests, [bytes], 'extended'), isProtocolError(words));
    });
  }

  test('are not taken where they were not agreed on', () => {
    const requests = new Map([[2n, pending({ type: COMMAND.FLUSH })]]);
    const reply = encodeNoneChunk(2n, { requestOffset: 0 });
    assert.throws(() => decode(requests, [reply], 'structured'), isProtocolError(/magic/));
  });
});

describe('the decoder of answers to BLOCK_STATUS', () => {
  const encode = (list: readonly StatusDescriptor[], contextId = CONTEXT, done = true): Buffer =>
    encodeStatusChunk(1n, { contextId, descriptors: list }, { done });

  test('tells holes and zeros', () => {
    const list = [0, HOLE, ZERO, HOLE | ZERO].map((flags) => ({ length: 512, flags }));
    for (const chunks of cuts(encode(list))) {
      const asked = status();
      assert.deepEqual(decode(new Map([[1n, asked]]), chunks, 'structured').answers, ['1 done']);
      assert.deepEqual(asked.extents, [
        { length: 512, hole: false, zero: false },
        { length: 512, hole: true, zero: false },
        { length: 512, hole: false, zero: true },
        { length: 512, hole: true, zero: true },
      ]);
    }
  });

  test('keeps the first of very many descriptors, and finds what comes behind them', () => {
    for (const headers of ['structured', 'extended'] as const) {
      const options = headers === 'extended' ? { requestOffset: 0 } : {};
      const list = descriptors(10_000);
      const messages = Buffer.concat([
        encodeStatusChunk(1n, { contextId: CONTEXT, descriptors: list }, options),
        encodeNoneChunk(2n, options),
      ]);
      const asked = status();
      const requests = new Map([
        [1n, asked],
        [2n, pending({ type: COMMAND.FLUSH })],
      ]);
      const chunks = Array.from({ length: Math.ceil(messages.length / 1000) }, (_, index) =>
        messages.subarray(index * 1000, (index + 1) * 1000),
      );
      const { answers, isEmpty } = decode(requests, chunks, headers);
      assert.deepEqual(answers, ['1 done', '2 done']);
      assert.ok(isEmpty);
      assert.equal(asked.extents?.length, 4096);
      assert.equal(asked.extents?.at(-1)?.length, 512 * 4096);
    }
  });

  const violations: readonly (readonly [what: string, bytes: Buffer, words: RegExp])[] = [
    ['a context that was not asked for', encode(descriptors(1), CONTEXT + 1), /not asked for/],
    [
      'two answers',
      Buffer.concat([encode(descriptors(1), CONTEXT, false), encode(descriptors(1))]),
      /not asked for/,
    ],
    ['an extent of nothing', encode([{ length: 0, flags: 0 }]), /makes no sense/],
    ['no extent', hex('668e33ef 0001 0005 0000000000000001 00000004 00000007'), /BLOCK_STATUS of 4 bytes/],
    ['half an extent', hex('668e33ef 0001 0005 0000000000000001 00000010'), /BLOCK_STATUS of 16 bytes/],
    [
      'more extents than any server may send',
      hex('668e33ef 0001 0005 0000000000000001 0080000c'),
      /BLOCK_STATUS of 8388620 bytes/,
    ],
    ['a success without an answer', encodeNoneChunk(1n), /without an answer/],
    ['a simple reply', encodeSimpleReply(1n, 0), /NBD_CMD_BLOCK_STATUS is not structured/],
    [
      'an answer to a request of another kind',
      encodeStatusChunk(2n, { contextId: CONTEXT, descriptors: descriptors(1) }),
      /no place/,
    ],
  ];
  for (const [what, bytes, words] of violations) {
    test(`gives up on ${what}`, () => {
      const requests = new Map([
        [1n, status()],
        [2n, pending({ target: Buffer.alloc(4) })],
      ]);
      assert.throws(() => decode(requests, [bytes], 'structured'), isProtocolError(words));
    });
  }

  test('passes an error on', () => {
    const error = encodeErrorChunk(1n, { error: 22, message: 'no status' });
    assert.deepEqual(decode(new Map([[1n, status()]]), [error], 'structured').answers, ['1 no status']);
  });
});

describe('whatever bytes come', () => {
  const cookie = fc.bigInt({ min: 0n, max: 4n });
  const size = fc.oneof(fc.nat(32), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  const rubbish = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
  const message = (requestOffset: number | undefined): fc.Arbitrary<Buffer> => {
    const options = fc
      .boolean()
      .map((done) => ({ done, ...(requestOffset === undefined ? {} : { requestOffset }) }));
    const list = fc.array(fc.record({ length: size, flags: fc.nat(3) }), { maxLength: 4 });
    return fc.oneof(
      fc.tuple(cookie, size, rubbish, options).map((fields) => encodeDataChunk(...fields)),
      fc.tuple(cookie, size, size, options).map((fields) => encodeHoleChunk(...fields)),
      fc
        .tuple(cookie, list, options)
        .map(([cookie, descriptors, options]) =>
          encodeStatusChunk(cookie, { contextId: CONTEXT, descriptors }, options),
        ),
      fc.tuple(cookie, options).map((fields) => encodeNoneChunk(...fields)),
      cookie.map((cookie) => encodeSimpleReply(cookie, 0)),
      rubbish,
    );
  };

  for (const headers of ['simple', 'structured', 'extended'] as const) {
    test(`with ${headers} headers, each request is answered once or the connection given up, however the bytes are cut`, () => {
      const bytes = fc
        .tuple(
          fc.array(message(headers === 'extended' ? 0 : undefined), { maxLength: 12 }),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
        )
        .map(([parts, changes]) => {
          const all = Buffer.concat(parts);
          for (const [place, value] of changes) if (all.length > 0) all[place % all.length] = value;
          return all;
        });
      const outcome = (chunks: Iterable<Buffer>): unknown => {
        const requests = new Map([
          [0n, pending({ target: Buffer.alloc(16) })],
          [1n, pending({ target: Buffer.alloc(32) })],
          [2n, pending({ type: COMMAND.FLUSH })],
          [3n, status()],
        ]);
        try {
          return decode(requests, chunks, headers).answers;
        } catch (error) {
          assert.ok(error instanceof NbdError, String(error));
          return error.message;
        }
      };
      fc.assert(
        fc.property(bytes, fc.integer({ min: 1, max: 50 }), (bytes, step) => {
          const pieces = Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
            bytes.subarray(index * step, (index + 1) * step),
          );
          assert.deepEqual(outcome(pieces), outcome([bytes]));
        }),
        { numRuns: 1000 },
      );
    });
  }
});

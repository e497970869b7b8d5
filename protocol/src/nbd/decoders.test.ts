import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChunkReader } from './chunk-reader.ts';
import { COMMAND, OPTION, OPTION_REPLY } from './constants.ts';
import { encodeClientFlags, encodeGreeting } from './handshake.ts';
import { MAX_OPTION_BYTES } from './limits.ts';
import { OptionDecoder, type OptionEvent } from './option-decoder.ts';
import { encodeExportNameReply, encodeOptionReply, encodeServerReply } from './option-replies.ts';
import { OptionReplyDecoder, type OptionReplyEvent } from './option-reply-decoder.ts';
import { encodeOption } from './options.ts';
import {
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeNoneChunk,
  encodeSimpleReply,
} from './replies.ts';
import { type PendingRequest, ReplyDecoder } from './reply-decoder.ts';
import { RequestDecoder } from './request-decoder.ts';
import { encodeRequest, type Request } from './requests.ts';
import { cuts, hex, isProtocolError } from './testing/hex.ts';

/** Feeds chunks through one buffer that is overwritten each time, as a socket may do. */
function* reused(chunks: readonly Buffer[]): Generator<Buffer> {
  const shared = Buffer.alloc(Math.max(...chunks.map(({ length }) => length)));
  for (const chunk of chunks) {
    shared.fill(0xee);
    chunk.copy(shared);
    yield shared.subarray(0, chunk.length);
  }
}

describe('the decoder of options', () => {
  const messages = Buffer.concat([
    encodeClientFlags(3),
    encodeOption(OPTION.LIST),
    encodeOption(99, hex('aabbcc')),
    encodeOption(OPTION.GO, hex('0000000000')),
  ]);
  const expected: OptionEvent[] = [
    { kind: 'client-flags', flags: 3 },
    { kind: 'option', option: OPTION.LIST, data: hex('') },
    { kind: 'option', option: 99, data: hex('aabbcc') },
    { kind: 'option', option: OPTION.GO, data: hex('0000000000') },
  ];

  function decode(chunks: Iterable<Buffer>): OptionEvent[] {
    const decoder = new OptionDecoder(new ChunkReader());
    const events: OptionEvent[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
        events.push(event.kind === 'option' ? { ...event, data: Buffer.from(event.data) } : event);
      }
    }
    return events;
  }

  test('finds the same in messages that are glued together or cut at any byte', () => {
    for (const chunks of cuts(messages)) assert.deepEqual(decode(reused(chunks)), expected);
  });

  test('skips an option that is too long, without keeping it, and goes on', () => {
    const length = MAX_OPTION_BYTES + 1;
    const chunks = [
      encodeClientFlags(0),
      encodeOption(OPTION.GO, Buffer.alloc(length)),
      encodeOption(OPTION.ABORT),
    ];
    assert.deepEqual(decode([Buffer.concat(chunks)]).slice(1), [
      { kind: 'oversized-option', option: OPTION.GO, length },
      { kind: 'option', option: OPTION.ABORT, data: hex('') },
    ]);
  });

  test('refuses flags and magic numbers as soon as they are complete', () => {
    assert.throws(() => decode([hex('ffffffff')]), isProtocolError(/flags/));
    assert.throws(
      () => decode([hex('00000003'), Buffer.from('GET / HTTP/1.1\r\n')]),
      isProtocolError(/magic/),
    );
  });
});

describe('the decoder of requests', () => {
  const request = (fields: Partial<Request>): Request => ({
    flags: 0,
    type: COMMAND.READ,
    cookie: 1n,
    offset: 0,
    length: 0,
    ...fields,
  });
  const read = request({ cookie: 1n, offset: 512, length: 4096 });
  const write = request({ type: COMMAND.WRITE, cookie: 2n, length: 5 });
  const refused = request({ type: COMMAND.WRITE, cookie: 3n, length: 3 });
  const empty = request({ type: COMMAND.WRITE, cookie: 4n, length: 0 });
  const flush = request({ type: COMMAND.FLUSH, cookie: 5n });
  const messages = Buffer.concat([
    encodeRequest(read),
    encodeRequest(write),
    hex('0102030405'),
    encodeRequest(refused),
    hex('ffffff'),
    encodeRequest(empty),
    encodeRequest(flush),
  ]);

  test('finds the same in messages that are glued together or cut at any byte', () => {
    for (const chunks of cuts(messages)) {
      const decoder = new RequestDecoder(new ChunkReader());
      const requests: Request[] = [];
      const target = Buffer.alloc(5);
      let payloads = 0;
      for (const chunk of reused(chunks)) {
        decoder.push(chunk);
        for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
          if (event.kind === 'payload') payloads++;
          else requests.push(event.request);
          if (event.kind === 'request' && decoder.payloadLeft > 0) {
            if (event.request.length === 5) decoder.receivePayload(target);
            else decoder.skipPayload();
          }
        }
      }
      assert.deepEqual(requests, [read, write, refused, empty, flush]);
      assert.deepEqual(target, hex('0102030405'));
      assert.equal(payloads, 1);
    }
  });

  test('refuses a request without its magic number', () => {
    const decoder = new RequestDecoder(new ChunkReader());
    decoder.push(Buffer.alloc(28));
    assert.throws(() => decoder.next(), isProtocolError(/magic/));
  });
});

describe('the decoder of option replies', () => {
  const messages = Buffer.concat([
    encodeGreeting(3),
    encodeServerReply(OPTION.LIST, { name: 'sda', description: 'A disk' }),
    encodeOptionReply(OPTION.LIST, OPTION_REPLY.ACK),
  ]);

  function decode(decoder: OptionReplyDecoder, chunks: Iterable<Buffer>): OptionReplyEvent[] {
    const events: OptionReplyEvent[] = [];
    for (const chunk of chunks) {
      decoder.push(chunk);
      for (let event = decoder.next(); event !== undefined; event = decoder.next()) events.push(event);
    }
    return events;
  }

  test('finds the same in messages that are glued together or cut at any byte', () => {
    for (const chunks of cuts(messages)) {
      assert.deepEqual(decode(new OptionReplyDecoder(new ChunkReader()), reused(chunks)), [
        { kind: 'greeting', flags: 3 },
        {
          kind: 'reply',
          option: OPTION.LIST,
          type: OPTION_REPLY.SERVER,
          data: hex('00000003 736461 41206469736b'),
        },
        { kind: 'reply', option: OPTION.LIST, type: OPTION_REPLY.ACK, data: hex('') },
      ]);
    }
  });

  for (const noZeroes of [true, false]) {
    test(`reads the reply to NBD_OPT_EXPORT_NAME ${noZeroes ? 'without' : 'with'} the zeroes`, () => {
      for (const chunks of cuts(encodeExportNameReply(4096, 1, noZeroes))) {
        const decoder = new OptionReplyDecoder(new ChunkReader());
        decode(decoder, [encodeGreeting(0)]);
        decoder.expectExportNameReply(noZeroes);
        assert.deepEqual(decode(decoder, reused(chunks)), [
          { kind: 'export-name-reply', size: 4096, flags: 1 },
        ]);
      }
    });
  }

  test('gives up on a reply that is too long before its data comes', () => {
    const decoder = new OptionReplyDecoder(new ChunkReader());
    const reply = [encodeGreeting(3), hex('0003e889045565a9 00000003 00000002 ffffffff')];
    assert.throws(() => decode(decoder, reply), isProtocolError(/4294967295 bytes/));
  });
});

describe('the decoder of replies', () => {
  const pending = (fields: Partial<PendingRequest> = {}): PendingRequest => ({
    type: COMMAND.READ,
    offset: 0,
    target: undefined,
    ...fields,
  });

  interface Outcome {
    readonly cookie: bigint;
    readonly error: string | undefined;
  }

  function decode(
    requests: Map<bigint, PendingRequest>,
    chunks: Iterable<Buffer>,
    { structured = true, direct = false } = {},
  ): Outcome[] {
    const decoder = new ReplyDecoder(new ChunkReader(), requests, {
      headers: structured ? 'structured' : 'simple',
    });
    const outcomes: Outcome[] = [];
    const drain = (): void => {
      for (let answer = decoder.next(); answer !== undefined; answer = decoder.next()) {
        requests.delete(answer.cookie);
        const { error } = answer;
        outcomes.push({ cookie: answer.cookie, error: error && `${error.error} ${error.message}`.trim() });
      }
    };
    for (const chunk of chunks) {
      let rest = chunk;
      while (rest.length > 0) {
        const target = direct ? decoder.directTarget() : undefined;
        const length = rest.copy(target ?? Buffer.alloc(0));
        if (length === 0) break;
        decoder.filledDirectly(length);
        drain();
        rest = rest.subarray(length);
      }
      decoder.push(rest);
      drain();
    }
    return outcomes;
  }

  test('finds the same in simple replies that are glued together or cut at any byte', () => {
    const messages = Buffer.concat([
      encodeSimpleReply(2n, 0),
      hex('0a0b0c'),
      encodeSimpleReply(1n, 5),
      encodeSimpleReply(3n, 0),
    ]);
    for (const chunks of cuts(messages)) {
      const target = Buffer.alloc(3);
      const requests = new Map([
        [1n, pending({ target: Buffer.alloc(9) })],
        [2n, pending({ target })],
        [3n, pending({ type: COMMAND.FLUSH })],
      ]);
      assert.deepEqual(decode(requests, reused(chunks), { structured: false }), [
        { cookie: 2n, error: undefined },
        { cookie: 1n, error: '5' },
        { cookie: 3n, error: undefined },
      ]);
      assert.deepEqual(target, hex('0a0b0c'));
    }
  });

  test('finds the same in structured replies that are mixed, out of order, glued together or cut at any byte', () => {
    const messages = Buffer.concat([
      encodeDataChunk(1n, 104, hex('0506'), { done: false }),
      encodeDataChunk(2n, 0, hex('aa')),
      encodeErrorChunk(3n, { error: 5, message: 'broken' }, { offset: 1, done: false }),
      encodeHoleChunk(1n, 102, 2, { done: false }),
      encodeErrorChunk(3n, { error: 28, message: 'second' }),
      encodeSimpleReply(4n, 0),
      encodeDataChunk(1n, 100, hex('0102'), { done: false }),
      encodeNoneChunk(1n),
    ]);
    for (const chunks of cuts(messages)) {
      const first = Buffer.alloc(6, 0xff);
      const second = Buffer.alloc(1);
      const requests = new Map([
        [1n, pending({ offset: 100, target: first })],
        [2n, pending({ target: second })],
        [3n, pending({ target: Buffer.alloc(4) })],
        [4n, pending({ type: COMMAND.WRITE })],
      ]);
      assert.deepEqual(decode(requests, reused(chunks)), [
        { cookie: 2n, error: undefined },
        { cookie: 3n, error: '5 broken' },
        { cookie: 4n, error: undefined },
        { cookie: 1n, error: undefined },
      ]);
      assert.deepEqual(first, hex('010200000506'));
      assert.deepEqual(second, hex('aa'));
    }
  });

  test('large data may be put into its target directly', () => {
    const data = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    const messages = Buffer.concat([encodeDataChunk(1n, 0, data), encodeSimpleReply(2n, 0)]);
    for (const size of [50, 1000, 65536]) {
      const target = Buffer.alloc(data.length);
      const requests = new Map([
        [1n, pending({ target })],
        [2n, pending({ type: COMMAND.FLUSH })],
      ]);
      const chunks = Array.from({ length: Math.ceil(messages.length / size) }, (_, index) =>
        messages.subarray(index * size, (index + 1) * size),
      );
      assert.equal(decode(requests, reused(chunks), { direct: true }).length, 2);
      assert.deepEqual(target, data);
    }
  });

  const violations: [what: string, bytes: Buffer, words: RegExp][] = [
    ['bytes that start no reply', hex('00000000'), /magic/],
    ['a cookie that nobody gave', encodeSimpleReply(9n, 0), /cookie 9/],
    [
      'a simple reply to a READ, although structured ones were agreed on',
      encodeSimpleReply(1n, 0),
      /not structured/,
    ],
    [
      'a chunk type that is not known',
      hex('668e33ef 0001 0007 0000000000000001 00000000'),
      /NBD_REPLY_TYPE_7/,
    ],
    ['NONE with a payload', hex('668e33ef 0001 0000 0000000000000001 00000001'), /NONE of 1 bytes/],
    ['NONE that is not the last', hex('668e33ef 0000 0000 0000000000000001 00000000'), /NONE/],
    ['data without a byte', encodeDataChunk(1n, 0, hex('')), /OFFSET_DATA of 8 bytes/],
    ['data before the range', encodeDataChunk(1n, 99, hex('aa')), /not asked for/],
    ['data beyond the range', encodeDataChunk(1n, 100, hex('aabbccddee')), /not asked for/],
    ['data for a request without any', encodeDataChunk(2n, 0, hex('aa')), /OFFSET_DATA/],
    ['a hole for a request without data', encodeHoleChunk(2n, 0, 1), /OFFSET_HOLE/],
    ['a hole beyond the range', encodeHoleChunk(1n, 103, 2), /not asked for/],
    ['a hole of nothing', encodeHoleChunk(1n, 100, 0), /not asked for/],
    ['too little data', encodeDataChunk(1n, 100, hex('aa')), /without all of the data/],
    ['a success without data', encodeNoneChunk(1n), /without all of the data/],
    [
      'the same data twice',
      Buffer.concat([encodeDataChunk(1n, 100, hex('aabb'), { done: false }), encodeHoleChunk(1n, 101, 1)]),
      /twice/,
    ],
    ['an error text that is too long', hex('668e33ef 0001 8001 0000000000000001 00010000'), /65536 bytes/],
  ];
  for (const [what, bytes, words] of violations) {
    test(`gives up on ${what}`, () => {
      const requests = new Map([
        [1n, pending({ offset: 100, target: Buffer.alloc(4) })],
        [2n, pending({ type: COMMAND.FLUSH })],
      ]);
      assert.throws(() => decode(requests, [bytes]), isProtocolError(words));
    });
  }

  test('gives up on a structured reply that was not agreed on', () => {
    const requests = new Map([[1n, pending({ target: Buffer.alloc(4) })]]);
    assert.throws(
      () => decode(requests, [encodeNoneChunk(1n)], { structured: false }),
      isProtocolError(/magic/),
    );
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import {
  blockStatusBytes,
  decodeBlockStatus,
  descriptorOf,
  extentOf,
  isBlockStatusLength,
  writeBlockStatus,
} from './block-status.ts';
import { REPLY_TYPE } from './constants.ts';
import {
  CHUNK_HEADER_BYTES,
  decodeChunkHeader,
  decodeExtendedChunkHeader,
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeNoneChunk,
  encodeStatusChunk,
  EXTENDED_CHUNK_HEADER_BYTES,
} from './replies.ts';
import { decodeExtendedRequest, encodeExtendedRequest } from './requests.ts';
import { hex, isProtocolError, toHex } from './testing/hex.ts';

const COOKIE = 0x0123456789abcdefn;
const { BLOCK_STATUS, BLOCK_STATUS_EXT } = REPLY_TYPE;
const STATUS = {
  contextId: 7,
  descriptors: [
    { length: 4096, flags: 0 },
    { length: 512, flags: 3 },
  ],
};

describe('each message has the bytes of the specification', () => {
  const golden: [name: string, bytes: Uint8Array, expected: string][] = [
    [
      'BLOCK_STATUS',
      encodeStatusChunk(COOKIE, STATUS),
      '668e33ef 0001 0005 0123456789abcdef 00000014 00000007 00001000 00000000 00000200 00000003',
    ],
    [
      'BLOCK_STATUS_EXT',
      encodeStatusChunk(COOKIE, STATUS, { requestOffset: 0x1_0000_0200, done: false }),
      `6e8a278c 0000 0006 0123456789abcdef 0000000100000200 0000000000000028 00000007 00000002
       0000000000001000 0000000000000000 0000000000000200 0000000000000003`,
    ],
    [
      'OFFSET_DATA with extended headers',
      encodeDataChunk(COOKIE, 513, hex('aabb'), { requestOffset: 512 }),
      '6e8a278c 0001 0001 0123456789abcdef 0000000000000200 000000000000000a 0000000000000201 aabb',
    ],
    [
      'OFFSET_HOLE with extended headers',
      encodeHoleChunk(COOKIE, 513, 2, { requestOffset: 512 }),
      '6e8a278c 0001 0002 0123456789abcdef 0000000000000200 000000000000000c 0000000000000201 00000002',
    ],
    [
      'NONE with extended headers',
      encodeNoneChunk(COOKIE, { requestOffset: 512 }),
      '6e8a278c 0001 0000 0123456789abcdef 0000000000000200 0000000000000000',
    ],
    [
      'ERROR with extended headers',
      encodeErrorChunk(COOKIE, { error: 5, message: 'no' }, { requestOffset: 512 }),
      '6e8a278c 0001 8001 0123456789abcdef 0000000000000200 0000000000000008 00000005 0002 6e6f',
    ],
    [
      'an extended request',
      encodeExtendedRequest({
        flags: 0x20,
        type: 6,
        cookie: COOKIE,
        offset: 0x1_0000_0200,
        length: 0x2_0000_0400,
      }),
      '21e41c71 0020 0006 0123456789abcdef 0000000100000200 0000000200000400',
    ],
  ];
  for (const [name, bytes, expected] of golden) {
    test(name, () => assert.equal(toHex(bytes), expected.replaceAll(/\s/g, '')));
  }
});

describe('what is encoded is decoded', () => {
  const flags = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const contextId = flags;

  for (const [type, name, max] of [
    [BLOCK_STATUS, 'BLOCK_STATUS', 2 ** 32 - 1],
    [BLOCK_STATUS_EXT, 'BLOCK_STATUS_EXT', Number.MAX_SAFE_INTEGER],
  ] as const) {
    test(name, () => {
      const length = fc.integer({ min: 1, max });
      const descriptor = fc.record({ length, flags }, { noNullPrototype: true });
      const descriptors = fc.array(descriptor, { minLength: 1, maxLength: 20 });
      fc.assert(
        fc.property(contextId, descriptors, (contextId, descriptors) => {
          const status = { contextId, descriptors };
          const bytes = Buffer.alloc(3 + blockStatusBytes(type, status), 0xee);
          writeBlockStatus(bytes, 3, type, status);
          assert.deepEqual(decodeBlockStatus(type, bytes.subarray(3)), status);
        }),
      );
    });
  }

  test('requests with extended headers', () => {
    const number = fc.maxSafeNat();
    const cookie = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const word = fc.integer({ min: 0, max: 0xffff });
    const request = { flags: word, type: word, cookie, offset: number, length: number };
    fc.assert(
      fc.property(fc.record(request, { noNullPrototype: true }), (request) => {
        assert.deepEqual(decodeExtendedRequest(encodeExtendedRequest(request)), request);
      }),
    );
  });

  test('headers of both kinds', () => {
    const compact = encodeStatusChunk(COOKIE, STATUS, { done: false });
    assert.deepEqual(decodeChunkHeader(compact), {
      flags: 0,
      type: BLOCK_STATUS,
      cookie: COOKIE,
      length: compact.length - CHUNK_HEADER_BYTES,
    });
    const extended = encodeStatusChunk(COOKIE, STATUS, { requestOffset: 2 ** 40 });
    assert.deepEqual(decodeExtendedChunkHeader(extended), {
      flags: 1,
      type: BLOCK_STATUS_EXT,
      cookie: COOKIE,
      requestOffset: 2 ** 40,
      length: extended.length - EXTENDED_CHUNK_HEADER_BYTES,
    });
  });

  test('extents', () => {
    for (const hole of [true, false]) {
      for (const zero of [true, false]) {
        const extent = { length: 512, hole, zero };
        assert.deepEqual(extentOf(descriptorOf(extent)), extent);
      }
    }
    assert.deepEqual(descriptorOf({ length: 512, hole: true, zero: false }), { length: 512, flags: 1 });
    assert.deepEqual(descriptorOf({ length: 512, hole: false, zero: true }), { length: 512, flags: 2 });
  });
});

describe('bytes that make no sense are refused', () => {
  const wrong: [what: string, type: typeof BLOCK_STATUS | typeof BLOCK_STATUS_EXT, payload: string][] = [
    ['no descriptor', BLOCK_STATUS, '00000007'],
    ['half a descriptor', BLOCK_STATUS, '00000007 00000200 00000000 00000200'],
    ['a descriptor of no bytes', BLOCK_STATUS, '00000007 00000000 00000000'],
    ['no extended descriptor', BLOCK_STATUS_EXT, '00000007 00000000'],
    ['a wrong count', BLOCK_STATUS_EXT, '00000007 00000002 0000000000000200 0000000000000000'],
    ['an extended descriptor of no bytes', BLOCK_STATUS_EXT, `00000007 00000001 ${'00'.repeat(16)}`],
  ];
  for (const [what, type, payload] of wrong) {
    test(what, () => {
      assert.throws(() => decodeBlockStatus(type, hex(payload)), isProtocolError(/BLOCK_STATUS/));
    });
  }

  test('a request of compact headers among extended ones', () => {
    assert.throws(() => decodeExtendedRequest(hex(`25609513${'00'.repeat(28)}`)), isProtocolError(/magic/));
  });

  test('lengths can be checked before the payload has come', () => {
    assert.deepEqual(
      [0, 4, 11, 12, 13, 20].map((length) => isBlockStatusLength(BLOCK_STATUS, length)),
      [false, false, false, true, false, true],
    );
    assert.deepEqual(
      [0, 8, 23, 24, 32, 40].map((length) => isBlockStatusLength(BLOCK_STATUS_EXT, length)),
      [false, false, false, true, false, true],
    );
  });
});

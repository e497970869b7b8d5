import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { DiskError } from '../disk.ts';
import {
  COMMAND,
  COMMAND_FLAG,
  commandName,
  ERROR,
  errorName,
  INFO,
  OPTION,
  OPTION_REPLY,
  optionName,
  optionReplyName,
  replyTypeName,
} from './constants.ts';
import { errnoOf, errorNumberOf } from './errno.ts';
import {
  answerFlags,
  decodeClientFlags,
  decodeGreeting,
  encodeClientFlags,
  encodeGreeting,
} from './handshake.ts';
import {
  decodeExportNameReply,
  decodeInfo,
  decodeOptionReplyHeader,
  decodeServerReply,
  type ExportInfo,
  encodeErrorReply,
  encodeExportNameReply,
  encodeInfoReply,
  encodeOptionReply,
  encodeServerReply,
  isErrorReply,
  OPTION_REPLY_HEADER_BYTES,
} from './option-replies.ts';
import { decodeInfoRequest, decodeOptionHeader, encodeInfoRequest, encodeOption } from './options.ts';
import {
  CHUNK_HEADER_BYTES,
  decodeChunkHeader,
  decodeErrorPayload,
  decodeSimpleReply,
  encodeDataChunk,
  encodeErrorChunk,
  encodeHoleChunk,
  encodeNoneChunk,
  encodeSimpleReply,
} from './replies.ts';
import { decodeRequest, encodeRequest } from './requests.ts';
import { hex, isProtocolError, toHex } from './testing/hex.ts';
import { encodeText, readString } from './wire.ts';

const COOKIE = 0x0123456789abcdefn;
const utf8 = fc
  .string({ unit: 'binary', maxLength: 300 })
  .filter((text) => !text.includes('\0') && text.isWellFormed());
const uint = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 });
const cookies = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const offsets = fc.maxSafeNat();
const PLAIN = { noNullPrototype: true };

describe('each message has the bytes of the specification', () => {
  const golden: [name: string, bytes: Uint8Array, expected: string][] = [
    ['the greeting', encodeGreeting(3), '4e42444d41474943 49484156454f5054 0003'],
    ['the client flags', encodeClientFlags(3), '00000003'],
    [
      'NBD_OPT_EXPORT_NAME',
      encodeOption(OPTION.EXPORT_NAME, Buffer.from('sda')),
      '49484156454f5054 00000001 00000003 736461',
    ],
    ['NBD_OPT_ABORT', encodeOption(OPTION.ABORT), '49484156454f5054 00000002 00000000'],
    ['NBD_OPT_LIST', encodeOption(OPTION.LIST), '49484156454f5054 00000003 00000000'],
    [
      'NBD_OPT_GO',
      encodeOption(OPTION.GO, encodeInfoRequest({ exportName: 'sda', infos: [INFO.NAME, INFO.BLOCK_SIZE] })),
      '49484156454f5054 00000007 0000000d 00000003 736461 0002 0001 0003',
    ],
    ['NBD_OPT_STRUCTURED_REPLY', encodeOption(OPTION.STRUCTURED_REPLY), '49484156454f5054 00000008 00000000'],
    [
      'NBD_REP_ACK',
      encodeOptionReply(OPTION.GO, OPTION_REPLY.ACK),
      '0003e889045565a9 00000007 00000001 00000000',
    ],
    [
      'NBD_REP_SERVER',
      encodeServerReply(OPTION.LIST, { name: 'sda', description: 'A disk' }),
      '0003e889045565a9 00000003 00000002 0000000d 00000003 736461 41206469736b',
    ],
    [
      'NBD_INFO_EXPORT',
      encodeInfoReply(OPTION.GO, { type: INFO.EXPORT, size: 0x10203040506070, flags: 0x0103 }),
      '0003e889045565a9 00000007 00000003 0000000c 0000 0010203040506070 0103',
    ],
    [
      'NBD_INFO_NAME',
      encodeInfoReply(OPTION.INFO, { type: INFO.NAME, name: 'sda' }),
      '0003e889045565a9 00000006 00000003 00000005 0001 736461',
    ],
    [
      'NBD_INFO_DESCRIPTION',
      encodeInfoReply(OPTION.GO, { type: INFO.DESCRIPTION, description: 'ä' }),
      '0003e889045565a9 00000007 00000003 00000004 0002 c3a4',
    ],
    [
      'NBD_INFO_BLOCK_SIZE',
      encodeInfoReply(OPTION.GO, { type: INFO.BLOCK_SIZE, minimum: 512, preferred: 4096, maximum: 33554432 }),
      '0003e889045565a9 00000007 00000003 0000000e 0003 00000200 00001000 02000000',
    ],
    [
      'NBD_REP_ERR_UNKNOWN',
      encodeErrorReply(OPTION.GO, OPTION_REPLY.ERR_UNKNOWN, 'no'),
      '0003e889045565a9 00000007 80000006 00000002 6e6f',
    ],
    ['the reply to NBD_OPT_EXPORT_NAME', encodeExportNameReply(4096, 3, true), '0000000000001000 0003'],
    [
      'the reply to NBD_OPT_EXPORT_NAME with zeroes',
      encodeExportNameReply(4096, 3, false),
      `0000000000001000 0003 ${'00'.repeat(124)}`,
    ],
    [
      'NBD_CMD_READ',
      encodeRequest({ flags: 0, type: COMMAND.READ, cookie: COOKIE, offset: 0x100000000, length: 4096 }),
      '25609513 0000 0000 0123456789abcdef 0000000100000000 00001000',
    ],
    [
      'NBD_CMD_WRITE with FUA',
      encodeRequest({
        flags: COMMAND_FLAG.FUA,
        type: COMMAND.WRITE,
        cookie: COOKIE,
        offset: 512,
        length: 512,
      }),
      '25609513 0001 0001 0123456789abcdef 0000000000000200 00000200',
    ],
    [
      'NBD_CMD_WRITE_ZEROES with NO_HOLE',
      encodeRequest({
        flags: COMMAND_FLAG.NO_HOLE,
        type: COMMAND.WRITE_ZEROES,
        cookie: 1n,
        offset: 0,
        length: 1,
      }),
      '25609513 0002 0006 0000000000000001 0000000000000000 00000001',
    ],
    ['a simple reply', encodeSimpleReply(COOKIE, ERROR.EIO), '67446698 00000005 0123456789abcdef'],
    [
      'NBD_REPLY_TYPE_OFFSET_DATA',
      encodeDataChunk(COOKIE, 512, hex('aabb')),
      '668e33ef 0001 0001 0123456789abcdef 0000000a 0000000000000200 aabb',
    ],
    [
      'NBD_REPLY_TYPE_OFFSET_HOLE that is not the last chunk',
      encodeHoleChunk(COOKIE, 512, 1024, { done: false }),
      '668e33ef 0000 0002 0123456789abcdef 0000000c 0000000000000200 00000400',
    ],
    ['NBD_REPLY_TYPE_NONE', encodeNoneChunk(COOKIE), '668e33ef 0001 0000 0123456789abcdef 00000000'],
    [
      'NBD_REPLY_TYPE_ERROR',
      encodeErrorChunk(COOKIE, { error: ERROR.ENOSPC, message: 'full' }),
      '668e33ef 0001 8001 0123456789abcdef 0000000a 0000001c 0004 66756c6c',
    ],
    [
      'NBD_REPLY_TYPE_ERROR_OFFSET',
      encodeErrorChunk(COOKIE, { error: ERROR.EIO, message: '' }, { offset: 512 }),
      '668e33ef 0001 8002 0123456789abcdef 0000000e 00000005 0000 0000000000000200',
    ],
  ];
  for (const [name, bytes, expected] of golden) {
    test(name, () => assert.equal(toHex(bytes), expected.replaceAll(' ', '')));
  }
});

describe('what is encoded is decoded as the same', () => {
  test('requests', () => {
    const request = fc.record(
      { flags: uint(16), type: uint(16), cookie: cookies, offset: offsets, length: uint(32) },
      PLAIN,
    );
    fc.assert(
      fc.property(request, (request) => assert.deepEqual(decodeRequest(encodeRequest(request)), request)),
    );
  });

  test('options and what they ask', () => {
    fc.assert(
      fc.property(utf8, fc.array(uint(16)), uint(32), (exportName, infos, option) => {
        const data = encodeInfoRequest({ exportName, infos });
        assert.deepEqual(decodeInfoRequest(OPTION.GO, data), { exportName, infos });
        assert.deepEqual(decodeOptionHeader(encodeOption(option, data)), { option, length: data.length });
      }),
    );
  });

  test('listed exports', () => {
    fc.assert(
      fc.property(utf8, utf8, (name, description) => {
        const reply = encodeServerReply(OPTION.LIST, { name, description });
        const data = reply.subarray(OPTION_REPLY_HEADER_BYTES);
        const header = { option: OPTION.LIST, type: OPTION_REPLY.SERVER, length: data.length };
        assert.deepEqual(decodeOptionReplyHeader(reply), header);
        assert.deepEqual(decodeServerReply(data), { name, description });
      }),
    );
  });

  test('information on an export', () => {
    const power = (min: number, max: number): fc.Arbitrary<number> =>
      fc.integer({ min, max }).map((exponent) => 2 ** exponent);
    const info: fc.Arbitrary<ExportInfo> = fc.oneof(
      fc.record({ type: fc.constant(INFO.EXPORT), size: offsets, flags: uint(16) }, PLAIN),
      fc.record({ type: fc.constant(INFO.NAME), name: utf8 }, PLAIN),
      fc.record({ type: fc.constant(INFO.DESCRIPTION), description: utf8 }, PLAIN),
      fc.record(
        {
          type: fc.constant(INFO.BLOCK_SIZE),
          minimum: power(0, 12),
          preferred: power(12, 20),
          maximum: power(20, 31),
        },
        PLAIN,
      ),
    );
    fc.assert(
      fc.property(info, (info) => {
        const reply = encodeInfoReply(OPTION.GO, info);
        assert.deepEqual(decodeInfo(reply.subarray(OPTION_REPLY_HEADER_BYTES)), info);
      }),
    );
  });

  test('replies', () => {
    fc.assert(
      fc.property(cookies, uint(32), (cookie, error) => {
        assert.deepEqual(decodeSimpleReply(encodeSimpleReply(cookie, error)), { cookie, error });
      }),
    );
    fc.assert(
      fc.property(
        cookies,
        uint(16),
        utf8,
        fc.option(offsets, { nil: undefined }),
        (cookie, number, message, offset) => {
          const error = number + 1;
          const where = offset === undefined ? {} : { offset };
          const chunk = encodeErrorChunk(cookie, { error, message }, where);
          const header = decodeChunkHeader(chunk);
          assert.equal(header.cookie, cookie);
          const payload = chunk.subarray(CHUNK_HEADER_BYTES);
          assert.equal(header.length, payload.length);
          assert.deepEqual(decodeErrorPayload(header.type, payload), { error, message, ...where });
        },
      ),
    );
  });
});

describe('bytes that make no sense are refused', () => {
  const wrong: [what: string, decode: () => unknown, words: RegExp][] = [
    ['a web server', () => decodeGreeting(Buffer.from('HTTP/1.1 400 Bad R')), /greet/],
    ['half a greeting', () => decodeGreeting(hex('4e42444d41474943 49484156454f5055 0003')), /greet/],
    ['an oldstyle server', () => decodeGreeting(hex('4e42444d41474943 0000420281861253 0000')), /oldstyle/],
    ['client flags that are not known', () => decodeClientFlags(hex('80000003')), /0x80000003/],
    [
      'an option without its magic',
      () => decodeOptionHeader(hex('0000000000000000 00000001 00000000')),
      /magic/,
    ],
    ['an option reply without its magic', () => decodeOptionReplyHeader(Buffer.alloc(20)), /magic/],
    ['a request without its magic', () => decodeRequest(Buffer.alloc(28)), /magic/],
    ['NBD_OPT_GO without data', () => decodeInfoRequest(OPTION.GO, hex('')), /NBD_OPT_GO/],
    [
      'NBD_OPT_GO with a name beyond its end',
      () => decodeInfoRequest(OPTION.GO, hex('ffffffff 0000')),
      /length/,
    ],
    [
      'NBD_OPT_GO with a count beyond its end',
      () => decodeInfoRequest(OPTION.GO, hex('00000000 0001')),
      /length/,
    ],
    [
      'NBD_OPT_GO with bytes left over',
      () => decodeInfoRequest(OPTION.GO, hex('00000000 0000 00')),
      /length/,
    ],
    ['a listed export without a length', () => decodeServerReply(hex('000000')), /listed export/],
    ['a listed export longer than its reply', () => decodeServerReply(hex('00000002 61')), /listed export/],
    ['a disk beyond 8 PiB', () => decodeExportNameReply(hex('0020000000000000 0001')), /8 PiB/],
    ['an information without a type', () => decodeInfo(hex('00')), /type/],
    [
      'NBD_INFO_EXPORT of a wrong length',
      () => decodeInfo(hex('0000 0000000000000000')),
      /10 bytes instead of 12/,
    ],
    ['a block size of 0', () => decodeInfo(hex('0003 00000000 00001000 02000000')), /no sense/],
    [
      'a block size that is no power of two',
      () => decodeInfo(hex('0003 00000201 00001000 02000000')),
      /no sense/,
    ],
    ['a block size beyond 64 KiB', () => decodeInfo(hex('0003 00020000 00020000 02000000')), /no sense/],
    [
      'a preferred size below the minimum',
      () => decodeInfo(hex('0003 00001000 00000200 02000000')),
      /no sense/,
    ],
    ['a maximum that is no multiple', () => decodeInfo(hex('0003 00000200 00001000 02000001')), /no sense/],
    ['an error chunk that is too short', () => decodeErrorPayload(0x8001, hex('00000005')), /ERROR/],
    ['an error text beyond its chunk', () => decodeErrorPayload(0x8001, hex('00000005 0001')), /ERROR/],
    [
      'an error at an offset that is missing',
      () => decodeErrorPayload(0x8002, hex('00000005 0000')),
      /ERROR_OFFSET/,
    ],
    ['an error of number 0', () => decodeErrorPayload(0x8001, hex('00000000 0000')), /ERROR/],
    ['a string that is not UTF-8', () => readString(hex('ff')), /UTF-8/],
    ['a string with NUL', () => readString(hex('610062')), /NUL/],
    ['a string that is too long', () => readString(Buffer.alloc(4097, 'x')), /4097 bytes/],
  ];
  for (const [what, decode, words] of wrong) {
    test(what, () => assert.throws(decode, isProtocolError(words)));
  }

  test('but what may come from a newer peer is not', () => {
    assert.equal(decodeInfo(hex('0009 01')), undefined);
    assert.deepEqual(decodeErrorPayload(0x8099, hex('00000005 0001 61 ffff')), { error: 5, message: 'a' });
    const unlimited = decodeInfo(hex('0003 00000200 00001000 ffffffff'));
    assert.deepEqual(unlimited, {
      type: INFO.BLOCK_SIZE,
      minimum: 512,
      preferred: 4096,
      maximum: 0xffffffff,
    });
  });
});

describe('small rules', () => {
  test('a client answers only the handshake flags that it knows', () => {
    assert.equal(answerFlags(0xffff), 3);
    assert.equal(answerFlags(0), 0);
    assert.equal(answerFlags(1), 1);
  });

  test('an error reply is known by bit 31', () => {
    assert.equal(isErrorReply(OPTION_REPLY.ERR_UNSUP), true);
    assert.equal(isErrorReply(OPTION_REPLY.META_CONTEXT), false);
  });

  test('numbers have the names of the specification', () => {
    assert.equal(optionName(7), 'NBD_OPT_GO');
    assert.equal(optionName(99), 'NBD_OPT_99');
    assert.equal(optionReplyName(0x80000006), 'NBD_REP_ERR_UNKNOWN');
    assert.equal(commandName(6), 'NBD_CMD_WRITE_ZEROES');
    assert.equal(replyTypeName(0x8002), 'NBD_REPLY_TYPE_ERROR_OFFSET');
    assert.equal(errorName(108), 'ESHUTDOWN');
  });

  test('errors of disks become errors of NBD', () => {
    const of = (errno: string): number => errorNumberOf(new DiskError(errno, ''));
    assert.deepEqual(
      ['EPERM', 'EROFS', 'EIO', 'ENOMEM', 'ENOSPC', 'EDQUOT', 'EOPNOTSUPP', 'ESHUTDOWN', 'EWHATEVER'].map(of),
      [1, 1, 5, 12, 28, 28, 95, 108, 5],
    );
    assert.equal(errorNumberOf(Object.assign(new Error('x'), { code: 'ENOSPC' })), 28);
    assert.equal(errorNumberOf(new Error('x')), 5);
    assert.equal(errorNumberOf(undefined), 5);
    assert.equal(errorNumberOf(new DiskError('toString', '')), 5);
  });

  test('errors of NBD become errors of disks, and unknown ones EINVAL', () => {
    assert.deepEqual([1, 5, 28, 75, 108, 9999].map(errnoOf), [
      'EPERM',
      'EIO',
      'ENOSPC',
      'EOVERFLOW',
      'ESHUTDOWN',
      'EINVAL',
    ]);
  });

  test('a text that is too long is cut between characters', () => {
    assert.equal(encodeText('aä€', 6).toString(), 'aä€');
    assert.equal(encodeText('aä€', 5).toString(), 'aä');
    assert.equal(encodeText('aä€', 2).toString(), 'a');
    assert.equal(encodeText('a\0b').toString(), 'ab');
  });
});

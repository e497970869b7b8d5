import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { OPTION } from './constants.ts';
import {
  ALLOCATION_CONTEXT,
  decodeMetaContextReply,
  decodeMetaContextRequest,
  encodeMetaContextReply,
  encodeMetaContextRequest,
  identityContext,
  identityOf,
} from './meta-contexts.ts';
import { OPTION_REPLY_HEADER_BYTES } from './option-replies.ts';
import { encodeOption } from './options.ts';
import { hex, isProtocolError, toHex } from './testing/hex.ts';

const { LIST_META_CONTEXT, SET_META_CONTEXT } = OPTION;

describe('each message has the bytes of the specification', () => {
  test('NBD_OPT_SET_META_CONTEXT', () => {
    const data = encodeMetaContextRequest({ exportName: 'sda', queries: ['base:', 'x:y'] });
    const expected = hex(
      '49484156454f5054 0000000a 0000001b 00000003 736461 00000002 00000005 626173653a 00000003 783a79',
    );
    assert.equal(toHex(encodeOption(SET_META_CONTEXT, data)), toHex(expected));
  });

  test('NBD_REP_META_CONTEXT', () => {
    const expected = hex('0003e889045565a9 0000000a 00000004 00000007 00000001 783a79');
    assert.equal(toHex(encodeMetaContextReply(SET_META_CONTEXT, { id: 1, name: 'x:y' })), toHex(expected));
  });
});

describe('what is encoded is decoded', () => {
  const text = fc
    .string({ unit: 'binary', maxLength: 100 })
    .filter((text) => !text.includes('\0') && text.isWellFormed());

  test('requests', () => {
    const request = fc.record(
      { exportName: text, queries: fc.array(text, { maxLength: 5 }) },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(request, (request) => {
        const data = encodeMetaContextRequest(request);
        assert.deepEqual(decodeMetaContextRequest(LIST_META_CONTEXT, data), request);
      }),
    );
  });

  test('replies', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), text, (id, name) => {
        const data = encodeMetaContextReply(LIST_META_CONTEXT, { id, name }).subarray(
          OPTION_REPLY_HEADER_BYTES,
        );
        assert.deepEqual(decodeMetaContextReply(data), { id, name });
      }),
    );
  });
});

describe('bytes that make no sense are refused', () => {
  for (const [what, data] of [
    ['nothing', ''],
    ['a name beyond the end', '00000004 736461'],
    ['no count', '00000003 736461'],
    ['fewer queries than announced', '00000000 00000001'],
    ['far fewer queries than announced', '00000000 ffffffff 00000001 61'],
    ['a query beyond the end', '00000000 00000001 00000002 61'],
    ['bytes behind the last query', '00000000 00000000 61'],
  ] as const) {
    test(what, () => {
      const decode = (): unknown => decodeMetaContextRequest(LIST_META_CONTEXT, hex(data));
      assert.throws(decode, isProtocolError(/LIST_META_CONTEXT does not fit/));
    });
  }

  test('a context without a number', () => {
    assert.throws(() => decodeMetaContextReply(hex('000000')), isProtocolError(/number/));
  });
});

test('the name of a disk can be told from other contexts', () => {
  assert.equal(identityContext('0badcafe'), 'x-diskferry:disk:0badcafe');
  assert.equal(identityOf('x-diskferry:disk:0badcafe'), '0badcafe');
  assert.equal(identityOf(ALLOCATION_CONTEXT), undefined);
  assert.equal(identityOf('x-diskferry:'), undefined);
});

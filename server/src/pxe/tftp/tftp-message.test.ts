import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataMessage, errorMessage, optionAnswer, parseReadRequest, parseReply } from './tftp-message.ts';
import { agree } from './tftp-options.ts';

/** Opcode 1, "/a", "octet", "blksize" 1024, "tsize" 0. */
const REQUEST = Buffer.from('00012f61006f6374657400626c6b73697a650031303234007473697a65003000', 'hex');

test('a request is a name and options', () => {
  const request = parseReadRequest(REQUEST);
  assert.equal(request?.name, '/a');
  assert.deepEqual(
    [...(request?.options ?? [])],
    [
      ['blksize', '1024'],
      ['tsize', '0'],
    ],
  );
  const shouted = Buffer.from('\0\u0001x\0OCTET\0BLKSIZE\x00512\0');
  assert.deepEqual([...(parseReadRequest(shouted)?.options ?? [])], [['blksize', '512']]);
});

test('a request that is cut is none, or has fewer options', () => {
  for (let length = 0; length < REQUEST.length; length++) {
    const request = parseReadRequest(REQUEST.subarray(0, length));
    if (request !== undefined) assert.ok(request.name === '/a' && request.options.size < 2, String(length));
  }
});

test('text with line ends, writing, and no name at all are no requests', () => {
  for (const text of [
    '\0\u0001a\0netascii\0',
    '\0\u0002a\0octet\0',
    '\0\u0001\0octet\0',
    '\0\u0001a\0octet',
  ]) {
    assert.equal(parseReadRequest(Buffer.from(text)), undefined);
  }
});

test('an acknowledgement has a number, an error ends the transfer', () => {
  assert.deepEqual(parseReply(Buffer.from('0004ffff', 'hex')), { acknowledged: 0xffff });
  assert.deepEqual(parseReply(errorMessage(2, 'no')), { ended: 'error 2 no' });
  assert.equal(parseReply(dataMessage(1, Buffer.alloc(4))), undefined);
  assert.equal(parseReply(Buffer.from('000400', 'hex')), undefined);
});

test('messages as they go over the wire', () => {
  assert.equal(dataMessage(0x0102, Buffer.from('ab')).toString('hex'), '000301026162');
  assert.equal(errorMessage(1, 'x').toString('hex'), '000500017800');
  assert.equal(optionAnswer(new Map([['tsize', '7']])).toString('hex'), '00067473697a65003700');
});

test('the block size is what was asked for, as far as it fits into a packet', () => {
  const sizeFor = (text: string): number => agree(new Map([['blksize', text]]), 0).blockBytes;
  assert.deepEqual(['1024', '1468', '9000', '8'].map(sizeFor), [1024, 1468, 1468, 8]);
  for (const text of ['', '7', '-1', '1e3', 'x']) {
    const { blockBytes, answers } = agree(new Map([['blksize', text]]), 0);
    assert.deepEqual([blockBytes, answers.size], [512, 0], text);
  }
  assert.deepEqual([...agree(new Map([['tsize', '0']]), 99).answers], [['tsize', '99']]);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decodeFallocate,
  decodeHeader,
  decodeInit,
  decodeTransfer,
  encodeAttributes,
  encodeInit,
  encodeOpen,
  encodeReplyHeader,
  encodeStatfs,
  encodeWritten,
  Opcode,
  opcodeName,
  writePayload,
} from './wire.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** The header that a kernel sends: length, opcode, unique, nodeid 1, uid, gid, pid, two unused fields. */
function header(length: string, opcode: string): string {
  return `${length} ${opcode} 0200000000000080 0100000000000000 00000000 00000000 d2040000 0000 0000`;
}

describe('requests as a kernel sends them', () => {
  test('the header', () => {
    const request = hex(header('28000000', '03000000'));
    assert.equal(request.length, 40);
    assert.deepEqual(decodeHeader(request), {
      length: 40,
      opcode: Opcode.GETATTR,
      unique: 0x8000_0000_0000_0002n,
    });
  });

  test('INIT of protocol 7.45', () => {
    const request = hex(
      `${header('68000000', '1a000000')} 07000000 2d000000 00000200 fbfffff7 ${'00'.repeat(48)}`,
    );
    assert.deepEqual(decodeInit(request), {
      major: 7,
      minor: 45,
      maxReadAhead: 131_072,
      flags: 0xf7ff_fffb,
    });
  });

  test('READ beyond 4 GiB', () => {
    const request = hex(
      `${header('50000000', '0f000000')} 0000000000000000 0010000002000000 00001000 ${'00'.repeat(20)}`,
    );
    assert.deepEqual(decodeTransfer(request), { offset: 0x2_0000_1000, size: 0x10_0000 });
  });

  test('WRITE with its data', () => {
    const request = hex(
      `${header('54000000', '10000000')} 0000000000000000 0002000000000000 04000000 ${'00'.repeat(20)} 64617461`,
    );
    assert.deepEqual(decodeTransfer(request), { offset: 512, size: 4 });
    assert.equal(writePayload(request, 4).toString(), 'data');
  });

  test('FALLOCATE, a hole', () => {
    const request = hex(
      `${header('48000000', '2b000000')} 0000000000000000 0010000000000000 0000004000000000 03000000 00000000`,
    );
    assert.deepEqual(decodeFallocate(request), { offset: 4096, length: 0x4000_0000, mode: 3 });
  });

  test('unknown ones have a name for messages too', () => {
    assert.equal(opcodeName(Opcode.FALLOCATE), 'FALLOCATE');
    assert.equal(opcodeName(4711), 'opcode 4711');
  });
});

describe('replies as the kernel expects them', () => {
  test('the header, with a negative error', () => {
    assert.deepEqual(encodeReplyHeader(2n, 5, 0), hex('10000000 fbffffff 0200000000000000'));
    assert.deepEqual(encodeReplyHeader(2n, 0, 8), hex('18000000 00000000 0200000000000000'));
  });

  test('INIT takes only offered flags, and asks for requests of a megabyte', () => {
    const reply = encodeInit({ maxReadAhead: 131_072, flags: 0xf7ff_fffb });
    assert.deepEqual(
      reply,
      hex(`07000000 26000000 00000200 21804000 4000 3000 00001000 01000000 0001 0000 ${'00'.repeat(32)}`),
    );
    assert.equal(encodeInit({ maxReadAhead: 0, flags: 0x21 }).readUInt32LE(12), 0x21);
  });

  test('attributes of a regular file', () => {
    const reply = encodeAttributes(0x1_0000_0000, 4096);
    assert.equal(reply.length, 104);
    assert.deepEqual(
      reply,
      hex(
        `8051010000000000 00000000 00000000 0100000000000000 0000000001000000 0000800000000000 ${'00'.repeat(36)}
         80810000 01000000 00000000 00000000 00000000 00100000 00000000`,
      ),
    );
  });

  test('an open file is read and written directly and in parallel', () => {
    assert.deepEqual(encodeOpen(), hex('0000000000000000 41000000 00000000'));
  });

  test('a count of written bytes', () => {
    assert.deepEqual(encodeWritten(0x10_0000), hex('00001000 00000000'));
  });

  test('STATFS has the block size that the loop driver takes for discards', () => {
    const reply = encodeStatfs(0x1_0000_0000, 4096);
    assert.equal(reply.length, 80);
    assert.equal(reply.readUInt32LE(40), 4096);
    assert.equal(reply.readBigUInt64LE(0), 0x10_0000n);
  });
});

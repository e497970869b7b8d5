import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32c } from './crc32c.ts';

test('the check value of CRC-32C comes out', () => {
  const value = crc32c(0xffffffff, Buffer.from('123456789', 'latin1'));
  assert.equal((value ^ 0xffffffff) >>> 0, 0xe3069283);
});

test('a sum can be continued', () => {
  const bytes = Buffer.from('diskferry', 'latin1');
  assert.equal(crc32c(crc32c(1, bytes.subarray(0, 4)), bytes.subarray(4)), crc32c(1, bytes));
});

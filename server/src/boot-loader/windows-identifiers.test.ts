import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCleanHive, moveDriveLetters, moveInBootConfiguration } from './windows-identifiers.ts';

const SIGNATURE = 0xb3eb_a8f1;
/** An element of the kind "partition" of an MBR disk, as bcdedit writes it for Windows 8.1: 0x15f00000 of that disk. */
const ELEMENT = Buffer.from(
  '00000000000000000000000000000000' +
    '06000000000000004800000000000000' +
    '0000f0150000000000000000000000000000000001000000f1a8ebb3000000000000000000000000' +
    '00000000000000000000000000000000',
  'hex',
);
const START = 0x15f0_0000;

function hive(...values: readonly Buffer[]): Buffer {
  const bytes = Buffer.alloc(4096 + 4096);
  bytes.write('regf', 'latin1');
  let offset = 4096 + 36;
  for (const value of values) {
    value.copy(bytes, offset);
    offset += value.length + 7;
  }
  return bytes;
}

describe('a boot configuration', () => {
  test('names the new place of a partition, and nothing else changes', () => {
    const bytes = hive(ELEMENT, ELEMENT);
    const expected = Buffer.from(bytes);
    for (let at = expected.indexOf(ELEMENT); at >= 0; at = expected.indexOf(ELEMENT)) {
      expected.writeBigUInt64LE(0x40_0000_0000n, at + 32);
    }
    const moves = [
      { from: 1024 * 1024, to: 0 },
      { from: START, to: 0x40_0000_0000 },
    ];
    assert.equal(moveInBootConfiguration(bytes, SIGNATURE, moves), 2);
    assert.deepEqual(bytes, expected);
  });

  test('is left alone for another disk, another place, and a GPT', () => {
    const gpt = Buffer.from(ELEMENT);
    gpt.writeUInt32LE(0, 0x34);
    const bytes = hive(ELEMENT, gpt);
    const before = Buffer.from(bytes);
    assert.equal(moveInBootConfiguration(bytes, 0x1234_5678, [{ from: START, to: 0 }]), 0);
    assert.equal(moveInBootConfiguration(bytes, SIGNATURE, [{ from: START + 512, to: 0 }]), 0);
    assert.equal(moveInBootConfiguration(hive(gpt), SIGNATURE, [{ from: START, to: 0 }]), 0);
    assert.deepEqual(bytes, before);
  });

  test('that is cut off is no reason to fail', () => {
    const bytes = hive(ELEMENT);
    const cut = bytes.subarray(0, bytes.indexOf(ELEMENT) + 0x3a);
    assert.equal(moveInBootConfiguration(cut, SIGNATURE, [{ from: START, to: 0 }]), 0);
    assert.equal(moveInBootConfiguration(ELEMENT.subarray(0x34), SIGNATURE, [{ from: START, to: 0 }]), 0);
  });

  test('is clean when its two sequence numbers are equal', () => {
    const bytes = hive(ELEMENT);
    assert.ok(isCleanHive(bytes));
    bytes.writeUInt32LE(1, 4);
    assert.equal(isCleanHive(bytes), false);
    assert.equal(isCleanHive(Buffer.alloc(8192)), false);
  });
});

test('drive letters follow their partitions', () => {
  const letter = Buffer.from('f1a8ebb30000f01500000000', 'hex');
  const other = Buffer.from('f1a8ebb30000100000000000', 'hex');
  const bytes = hive(letter, other);
  assert.equal(moveDriveLetters(bytes, SIGNATURE, [{ from: START, to: 0x1000_0000 }]), 1);
  assert.deepEqual(bytes, hive(Buffer.from('f1a8ebb30000001000000000', 'hex'), other));
});

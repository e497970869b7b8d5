import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOptionBlocks, makeOptionBlock, OPTION_BLOCK_BYTES, readOptionBlock } from './option-block.ts';

const WORDS = [
  'ip=10.0.0.5::10.0.0.1:255.255.255.0::eth0:off',
  'diskferry.server=[fd00::1]:7443',
  'nomodeset',
];

test('words come out of a block as they went in', () => {
  assert.deepEqual(readOptionBlock(makeOptionBlock(WORDS)), WORDS);
  assert.deepEqual(readOptionBlock(makeOptionBlock([])), []);
});

test('a block is what grub-editenv writes: its first line, a variable, and signs up to its fixed size', () => {
  const block = makeOptionBlock(['a', 'b']);
  assert.equal(block.length, OPTION_BLOCK_BYTES);
  assert.match(block.toString(), /^# GRUB Environment Block\ndiskferry_options=a b\n#+$/);
});

test('what GRUB or the kernel would take for something else is refused', () => {
  for (const word of ['two words', 'a"b', "a'b", '$prefix', 'a\\b', '', 'a\nb', '#', '{', 'ä']) {
    assert.throws(() => makeOptionBlock([word]), { code: 'USAGE' }, word);
  }
  assert.throws(() => makeOptionBlock(['x'.repeat(OPTION_BLOCK_BYTES)]), /room for/);
});

test('a block is found at a sector, and nowhere else', () => {
  const medium = Buffer.alloc(8192);
  makeOptionBlock(WORDS).copy(medium, 512);
  makeOptionBlock(WORDS).copy(medium, 3000);
  assert.deepEqual(findOptionBlocks(medium), [512]);
  assert.deepEqual(findOptionBlocks(medium.subarray(0, 1024)), []);
});

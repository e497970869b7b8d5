import assert from 'node:assert/strict';
import test from 'node:test';
import { parseJournal, parseJournalBlocks } from './ext-journal.ts';

test('the size of a journal is read from the output of dumpe2fs', () => {
  const output =
    'Journal inode:            8\nTotal journal blocks:     4356\nFast commit length:       256\n';
  assert.deepEqual(parseJournal(output), { blocks: 4356, fastCommitBlocks: 256 });
});

test('a file system without journal has one of no blocks', () => {
  assert.deepEqual(parseJournal('Inode count: 8\n'), { blocks: 0, fastCommitBlocks: 0 });
});

test('the blocks of a journal are found without its superblock and without indirect blocks', () => {
  const output =
    'Inode: 8\nBLOCKS:\n(0-11):1628-1639, (IND):1640, (12-1035):1641-2664, (1036):9\nTOTAL: 1038\n';
  assert.deepEqual(parseJournalBlocks(output), [
    { first: 1629, count: 11 },
    { first: 1641, count: 1024 },
    { first: 9, count: 1 },
  ]);
});

test('a journal whose superblock stands alone has nothing to empty there', () => {
  assert.deepEqual(parseJournalBlocks('BLOCKS:\n(0):5, (1-2):7-8\n'), [{ first: 7, count: 2 }]);
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { parseLines } from './xfs-attributes.ts';
import { parseXfsUsage } from './xfs-usage.ts';

test('free and shared blocks are summed up over the allocation groups', () => {
  const output = [
    'freeblks = 65518',
    'flcount = 4',
    'refcntbt level 0 block 1 daddr 40',
    'recs[1-3] = [startblock,blockcount,refcount,cowflag] ',
    // Three owners, two owners, and what is set aside for a write, which nobody owns.
    '1:[24,256,3,0] 2:[1000,8,2,0] 3:[2000,32,1,1]',
    'freeblks = 100',
    'flcount = 6',
    'refcntbt level 0 block 1 daddr 524328',
    'field recs not found',
  ].join('\n');
  assert.deepEqual(parseXfsUsage(output, 2), { freeBlocks: 65_628, sharedBlocks: 520 });
});

test('an allocation group that xfs_db cannot read is damage', () => {
  assert.throws(() => parseXfsUsage('freeblks = 1\nflcount = 1\n', 2), {
    code: 'DAMAGED',
    message: /only 1 of its 2/,
  });
});

test('lines of xfs_io are read by the paths that were asked for, whatever is in their names', () => {
  const paths = ['/plain', '/two\n[1] lines', '/gone', '/\xff'].map((path) => Buffer.from(path, 'latin1'));
  const letters = '----------e-----X /plain \n--------P--E----X /two\n[1] lines \n----------------- /\xff \n';
  assert.deepEqual(parseLines(letters, paths), [
    '----------e-----X',
    '--------P--E----X',
    '',
    '-----------------',
  ]);
  const sizes = '[65536] /plain\n[0] /two\n[1] lines\n[7] /\xff\n';
  assert.deepEqual(parseLines(sizes, paths), ['65536', '0', '', '7']);
});

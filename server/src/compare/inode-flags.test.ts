import assert from 'node:assert/strict';
import test from 'node:test';
import { parseInodeFlags } from './inode-flags.ts';

test('flags that a user sets and projects are read, also of names with newlines, and missing files are left out', () => {
  const output = `    0 ----i---------e------- /a
 7 --- /b
 4242 -----a--C--I-e----P--- /c
`;
  const found = parseInodeFlags(output, ['/a\n 7 --- /b', '/missing', '/c']);
  assert.deepEqual(
    [...found],
    [
      ['/a\n 7 --- /b', { letters: 'i', project: 0 }],
      ['/c', { letters: 'aCP', project: 4242 }],
    ],
  );
});

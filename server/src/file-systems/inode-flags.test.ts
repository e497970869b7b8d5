import assert from 'node:assert/strict';
import test from 'node:test';
import { parseInodeFlags } from './inode-flags.ts';

const paths = ['/a', '/two\nlines 0 ----i--- /a', '/gone', '/last'].map((path) => Buffer.from(path));

test('flags are told by path, also when a name looks like a line of lsattr', () => {
  const output = [
    '    0 --------------e------- /a',
    '   42 ----ia--------e------- /two\nlines 0 ----i--- /a',
    '    0 -------A------I------- /last',
    '',
  ].join('\n');
  assert.deepEqual(
    parseInodeFlags(output, paths).map(({ path, letters, project }) => [path.toString(), letters, project]),
    [
      ['/a', '', 0],
      ['/two\nlines 0 ----i--- /a', 'ia', 42],
      ['/last', 'A', 0],
    ],
  );
});

test('bytes that are not UTF-8 keep their value', () => {
  const path = Buffer.from('/\xff', 'latin1');
  assert.equal(parseInodeFlags('    0 ------d------- /\xff\n', [path])[0]?.letters, 'd');
});

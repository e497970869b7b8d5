import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CpioEntry, makeCpio } from './cpio.ts';

const ENTRIES: CpioEntry[] = [
  { path: 'dev', mode: 0o040755 },
  { path: 'dev/console', mode: 0o020600, device: [5, 1] },
  { path: 'init', mode: 0o100755, data: Buffer.from('hello') },
];

test('a file is header, name, padding, data, padding', () => {
  const archive = makeCpio([ENTRIES[2] as CpioEntry], 1).toString('latin1');
  const header = [
    '070701',
    '00000001', // ino
    '000081ed', // mode
    '00000000', // uid
    '00000000', // gid
    '00000001', // nlink
    '00000001', // mtime
    '00000005', // filesize
    '00000000', // devmajor
    '00000000', // devminor
    '00000000', // rdevmajor
    '00000000', // rdevminor
    '00000005', // namesize
    '00000000', // check
  ].join('');
  assert.equal(archive.slice(0, 124), `${header}init\0\0hello\0\0\0`.slice(0, 124));
});

test('every entry begins at a multiple of four and a trailer ends the archive', () => {
  const archive = makeCpio(ENTRIES, 0).toString('latin1');
  const starts = [...archive.matchAll(/070701/g)].map((match) => match.index);
  assert.equal(starts.length, ENTRIES.length + 1);
  assert.deepEqual(
    starts.filter((start) => start % 4 !== 0),
    [],
  );
  assert.match(archive, /TRAILER!!!\0+$/);
});

test('a device node carries its numbers', () => {
  const archive = makeCpio([ENTRIES[1] as CpioEntry], 0).toString('latin1');
  assert.equal(archive.slice(6 + 9 * 8, 6 + 11 * 8), '0000000500000001');
});

test('equal entries give equal bytes', () => {
  assert.deepEqual(makeCpio(ENTRIES, 5), makeCpio(ENTRIES, 5));
});

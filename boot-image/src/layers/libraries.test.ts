import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLibraryList } from './libraries.ts';

test('the loader tells which libraries it found and which not', () => {
  const text = `\tlinux-vdso.so.1 (0x00007f05278e4000)
\tlibc.so.6 => /parts/libc6/lib/x86_64-linux-gnu/libc.so.6 (0x00007f052721e000)
\tlibssl.so.3 => not found
\t/lib64/ld-linux-x86-64.so.2 => /parts/libc6/lib64/ld-linux-x86-64.so.2 (0x00007f05278e6000)
`;
  assert.deepEqual(parseLibraryList(text), {
    found: ['/parts/libc6/lib/x86_64-linux-gnu/libc.so.6'],
    missing: ['libssl.so.3'],
  });
});

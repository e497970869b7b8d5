import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePackages } from './package-index.ts';

test('stanzas of apt-cache give name, version, hash and dependencies', () => {
  const text = [
    'Package: libc6\nVersion: 2.36-9\nDepends: libgcc-s1\nDescription: GNU\n Package: fake\n .\nSHA256: abc\n',
    'Package: shim-signed\nVersion: 1.44~1+15.8\nSHA256: def\n',
  ].join('\n');
  assert.deepEqual(parsePackages(text), [
    { name: 'libc6', version: '2.36-9', sha256: 'abc', depends: 'libgcc-s1' },
    { name: 'shim-signed', version: '1.44~1+15.8', sha256: 'def', depends: '' },
  ]);
});

test('a package that is only installed has no hash', () => {
  assert.equal(parsePackages('Package: local\nStatus: install ok installed\nVersion: 1\n')[0]?.sha256, '');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSizes } from './size-table.ts';

test('sizes stand in columns', () => {
  assert.equal(
    formatSizes([
      { name: 'kernel', bytes: 8_000_000 },
      { name: 'root image', bytes: 40_000_000, unpackedBytes: 150_000_000 },
    ]),
    'kernel         8.0 MB\nroot image    40.0 MB  (150.0 MB unpacked)',
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration } from './units.ts';

test('bytes are counted as disk makers count', () => {
  assert.equal(formatBytes(512), '512 B');
  assert.equal(formatBytes(4096), '4.1 KB');
  assert.equal(formatBytes(8_000_000_000), '8.0 GB');
  assert.equal(formatBytes(2 ** 53), '9.0 PB');
});

test('durations have the units that matter', () => {
  assert.equal(formatDuration(8_400), '8 s');
  assert.equal(formatDuration(185_000), '3 min 05 s');
  assert.equal(formatDuration(7_800_000), '2 h 10 min');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatBytes, formatDuration, parseBytes } from './units.ts';

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

test('sizes are read with the units of coreutils, and nothing else is a size', () => {
  const read = ['4096', '30G', '30GiB', '30gb', '1.5K', '2 TB', '7B'].map(parseBytes);
  assert.deepEqual(read, [4096, 30 * 2 ** 30, 30 * 2 ** 30, 30e9, 1536, 2e12, 7]);
  for (const wrong of ['', '-1', '0', '5X', 'G', '1e3', '9999999P'])
    assert.equal(parseBytes(wrong), undefined, wrong);
});

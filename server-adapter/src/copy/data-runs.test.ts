import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataRuns, ZERO_UNIT_BYTES } from './data-runs.ts';

test('bytes that are all zeros hold no data, however they lie', () => {
  for (const length of [512, ZERO_UNIT_BYTES, 5 * ZERO_UNIT_BYTES + 512]) {
    for (const offset of [0, 512, ZERO_UNIT_BYTES - 512]) {
      assert.deepEqual(dataRuns(Buffer.alloc(length), offset), [], `${length} bytes at ${offset}`);
    }
  }
});

test('one byte makes its unit data, as units lie on the disk', () => {
  const bytes = Buffer.alloc(4 * ZERO_UNIT_BYTES);
  bytes[2 * ZERO_UNIT_BYTES] = 1;
  assert.deepEqual(dataRuns(bytes, 0), [{ start: 2 * ZERO_UNIT_BYTES, end: 3 * ZERO_UNIT_BYTES }]);
  // The disk's unit ends 512 bytes later than the buffer's.
  assert.deepEqual(dataRuns(bytes, ZERO_UNIT_BYTES - 512), [
    { start: ZERO_UNIT_BYTES + 512, end: 2 * ZERO_UNIT_BYTES + 512 },
  ]);
});

test('units of data that touch are one run, and the last unit may be short', () => {
  const bytes = Buffer.alloc(3 * ZERO_UNIT_BYTES + 512);
  bytes[ZERO_UNIT_BYTES - 1] = 1;
  bytes[ZERO_UNIT_BYTES] = 1;
  bytes[bytes.length - 1] = 1;
  assert.deepEqual(dataRuns(bytes, 0), [
    { start: 0, end: 2 * ZERO_UNIT_BYTES },
    { start: 3 * ZERO_UNIT_BYTES, end: bytes.length },
  ]);
});

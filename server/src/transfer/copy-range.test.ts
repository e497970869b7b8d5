import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isZero } from '../file-systems/block-device.ts';
import { copyRange } from './copy-range.ts';

const PIECE = 1024 * 1024;

test('only pieces that are not zero are written, at the same place', async () => {
  const source = Buffer.alloc(3 * PIECE + 512);
  source[PIECE + 7] = 1;
  source[3 * PIECE + 511] = 2;
  const destination = Buffer.alloc(source.length);
  const writes: number[] = [];
  await copyRange(
    { read: async (offset, length) => Buffer.from(source.subarray(offset, offset + length)) },
    {
      write: async (offset, data) => {
        writes.push(offset);
        destination.set(data, offset);
      },
    },
    { start: 0, size: source.length },
  );
  assert.deepEqual(writes, [PIECE, 3 * PIECE]);
  assert.ok(destination.equals(source));
});

test('a single byte in any place makes a buffer not zero', () => {
  for (const place of [0, 1, 255, 511]) {
    const bytes = Buffer.alloc(512);
    assert.ok(isZero(bytes));
    bytes[place] = 1;
    assert.ok(!isZero(bytes));
  }
  assert.ok(isZero(Buffer.alloc(0)));
  assert.ok(!isZero(Buffer.from([1])));
});

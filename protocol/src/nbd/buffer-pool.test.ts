import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';

describe('the pool of buffers', () => {
  test('gives at least what was asked for, with room for a header', () => {
    const pool = new BufferPool({ maxRetainedBytes: 0 });
    for (const length of [1, 4096, 4097, 1024 * 1024]) {
      assert.ok(pool.take(length).length >= HEADROOM_BYTES + length);
    }
  });

  test('gives a buffer again that came back, for lengths of its class only', () => {
    const pool = new BufferPool({ maxRetainedBytes: 100_000 });
    const buffer = pool.take(5000);
    pool.give(buffer);
    assert.notEqual(pool.take(4096), buffer);
    assert.equal(pool.take(8192), buffer);
    assert.notEqual(pool.take(8192), buffer);
  });

  test('keeps no more than it may', () => {
    const pool = new BufferPool({ maxRetainedBytes: HEADROOM_BYTES + 4096 });
    const [first, second] = [pool.take(1), pool.take(1)];
    pool.give(first);
    pool.give(second);
    assert.equal(pool.take(1), first);
    assert.notEqual(pool.take(1), second);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';

describe('the pool of buffers', () => {
  test('gives at least what was asked for, with room for a header', () => {
    const pool = new BufferPool({ maxBytes: 0 });
    for (const length of [1, 4096, 4097, 1024 * 1024]) {
      assert.ok(pool.take(length).length >= HEADROOM_BYTES + length);
    }
  });

  test('gives a buffer again that came back, for lengths of its class only', () => {
    const pool = new BufferPool({ maxBytes: 100_000 });
    const buffer = pool.take(5000);
    pool.give(buffer);
    assert.notEqual(pool.take(4096), buffer);
    assert.equal(pool.take(8192), buffer);
    assert.notEqual(pool.take(8192), buffer);
  });

  test('keeps no more than it may, together with what is in use', () => {
    const pool = new BufferPool({ maxBytes: 8192 });
    const [first, second, third] = [pool.take(1), pool.take(1), pool.take(1)];
    pool.give(first);
    pool.give(second);
    assert.equal(pool.take(1), second);
    pool.give(second);
    pool.give(third);
    assert.deepEqual(new Set([pool.take(1), pool.take(1)]), new Set([second, third]));
  });

  test('gives up buffers of other lengths to stay within its limit', () => {
    const pool = new BufferPool({ maxBytes: 8192 });
    const small = pool.take(4096);
    pool.give(small);
    const large = pool.take(8192);
    pool.give(large);
    assert.equal(pool.take(8192), large);
    pool.give(large);
    assert.notEqual(pool.take(4096), small);
  });

  test('forgets what is not in use when it is told to', () => {
    const pool = new BufferPool({ maxBytes: 100_000 });
    const buffer = pool.take(1);
    pool.give(buffer);
    pool.clear();
    assert.notEqual(pool.take(1), buffer);
  });
});

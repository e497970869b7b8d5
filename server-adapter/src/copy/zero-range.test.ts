import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError, type WriteZeroesOptions } from '@diskferry/protocol/disk';
import { zeroRange } from './zero-range.ts';

const GIB = 1024 ** 3;

test('a disk that zeroes quickly is asked for more and more, and in the end for all', async () => {
  const asked: { offset: number; length: number }[] = [];
  const disk = {
    writeZeroes: async (offset: number, length: number): Promise<void> => {
      asked.push({ offset, length });
    },
  };
  await zeroRange(disk, { start: 512, size: 4 * GIB + 512 });
  let at = 512;
  for (const { offset, length } of asked) {
    assert.equal(offset, at);
    assert.ok(length <= GIB);
    at += length;
  }
  assert.equal(at, 4 * GIB + 1024);
  assert.ok(asked.length < 20, `${asked.length} requests`);
});

test('zeroing stops between two steps when it is aborted', async () => {
  const life = new AbortController();
  let steps = 0;
  const disk = {
    writeZeroes: async (): Promise<void> => {
      steps++;
      life.abort(new Error('interrupted'));
    },
  };
  await assert.rejects(zeroRange(disk, { start: 0, size: GIB }, { signal: life.signal }), /interrupted/);
  assert.equal(steps, 1);
});

test('a disk without a fast way is left as it is when only that is wanted', async () => {
  const disk = {
    writeZeroes: async (_offset: number, _length: number, options?: WriteZeroesOptions): Promise<void> => {
      if (options?.fast === true) throw new DiskError('ENOTSUP', 'no fast way');
    },
  };
  const range = { start: 0, size: 4096 };
  assert.equal(await zeroRange(disk, range, { onlyFast: true }), false);
  assert.equal(await zeroRange(disk, range), true);
});

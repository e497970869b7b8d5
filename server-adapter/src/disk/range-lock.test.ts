import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RangeLock } from './range-lock.ts';

test('work on overlapping ranges runs in the order of the calls, work on others at once', async () => {
  const lock = new RangeLock();
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const first = lock.run(0, 10, async () => {
    await gate.promise;
    order.push('first');
  });
  const overlapping = lock.run(9, 20, async () => void order.push('overlapping'));
  const behindBoth = lock.run(15, 16, async () => void order.push('behind the overlapping'));
  await lock.run(20, 30, async () => void order.push('elsewhere'));
  gate.resolve();
  await Promise.all([first, overlapping, behindBoth]);
  assert.deepEqual(order, ['elsewhere', 'first', 'overlapping', 'behind the overlapping']);
});

test('work that fails lets the next one in', async () => {
  const lock = new RangeLock();
  const failing = lock.run(0, 10, async () => {
    throw new Error('no');
  });
  const next = lock.run(0, 10, async () => 'done');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'done');
});

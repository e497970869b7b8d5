import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ByteBudget } from './byte-budget.ts';

const PAGE = 4096;

/** Notes when a promise resolves, and with what. */
function watch(name: string, granted: true | Promise<boolean>, log: string[]): void {
  assert.notEqual(granted, true);
  void Promise.resolve(granted).then((value) => log.push(`${name} ${value}`));
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the budget for payloads', () => {
  test('gives at once what is there, in whole buffers', () => {
    const budget = new ByteBudget(4 * PAGE);
    const share = budget.share(4 * PAGE);
    assert.equal(share.acquire(1), true);
    assert.equal(share.acquire(PAGE + 1), true);
    assert.equal(budget.used, 3 * PAGE);
    share.release(1);
    share.release(PAGE + 1);
    assert.equal(budget.used, 0);
  });

  test('makes a connection wait for itself, in the order of its requests', async () => {
    const share = new ByteBudget(100 * PAGE).share(2 * PAGE);
    const log: string[] = [];
    assert.equal(share.acquire(PAGE), true);
    watch('large', share.acquire(2 * PAGE), log);
    watch('small', share.acquire(PAGE), log);
    await settled();
    assert.deepEqual(log, []);
    share.release(PAGE);
    await settled();
    assert.deepEqual(log, ['large true']);
    share.release(2 * PAGE);
    await settled();
    assert.deepEqual(log, ['large true', 'small true']);
  });

  test('makes connections wait for each other, and serves them in turn', async () => {
    const budget = new ByteBudget(2 * PAGE);
    const [greedy, modest] = [budget.share(9 * PAGE), budget.share(9 * PAGE)];
    const log: string[] = [];
    assert.equal(greedy.acquire(PAGE), true);
    assert.equal(greedy.acquire(PAGE), true);
    for (const name of ['first', 'second', 'third']) watch(`greedy ${name}`, greedy.acquire(PAGE), log);
    watch('modest', modest.acquire(PAGE), log);
    greedy.release(PAGE);
    greedy.release(PAGE);
    await settled();
    assert.deepEqual(log, ['greedy first true', 'modest true']);
    assert.equal(budget.used, 2 * PAGE);
  });

  test('a connection that is full does not hold up the others', () => {
    const budget = new ByteBudget(10 * PAGE);
    const full = budget.share(PAGE);
    assert.equal(full.acquire(PAGE), true);
    void full.acquire(PAGE);
    assert.equal(budget.share(PAGE).acquire(PAGE), true);
  });

  test('a large request is not overtaken for ever by small ones', async () => {
    const budget = new ByteBudget(4 * PAGE);
    const [large, small] = [budget.share(4 * PAGE), budget.share(4 * PAGE)];
    const log: string[] = [];
    assert.equal(small.acquire(PAGE), true);
    watch('large', large.acquire(4 * PAGE), log);
    watch('small', small.acquire(PAGE), log);
    await settled();
    assert.deepEqual(log, []);
    small.release(PAGE);
    await settled();
    assert.deepEqual(log, ['large true']);
    large.release(4 * PAGE);
    await settled();
    assert.deepEqual(log, ['large true', 'small true']);
  });

  test('a request larger than everything is served alone', async () => {
    const budget = new ByteBudget(PAGE);
    const share = budget.share(PAGE);
    assert.equal(share.acquire(4 * PAGE), true);
    const log: string[] = [];
    watch('other', budget.share(PAGE).acquire(PAGE), log);
    await settled();
    assert.deepEqual(log, []);
    share.release(4 * PAGE);
    await settled();
    assert.deepEqual(log, ['other true']);
  });

  test('refuses who waits when the connection ends, and counts what is in use until it comes back', async () => {
    const budget = new ByteBudget(2 * PAGE);
    const [gone, other] = [budget.share(2 * PAGE), budget.share(2 * PAGE)];
    const log: string[] = [];
    assert.equal(gone.acquire(2 * PAGE), true);
    watch('gone', gone.acquire(PAGE), log);
    watch('other', other.acquire(2 * PAGE), log);
    gone.close();
    watch('late', gone.acquire(PAGE), log);
    await settled();
    assert.deepEqual(log, ['gone false', 'late false']);
    gone.release(2 * PAGE);
    await settled();
    assert.deepEqual(log, ['gone false', 'late false', 'other true']);
    assert.equal(budget.used, 2 * PAGE);
  });

  test('forgets its free buffers with the last connection', () => {
    const budget = new ByteBudget(100 * PAGE);
    const [first, second] = [budget.share(PAGE), budget.share(PAGE)];
    const buffer = budget.pool.take(PAGE);
    budget.pool.give(buffer);
    first.close();
    first.close();
    const again = budget.pool.take(PAGE);
    assert.equal(again, buffer);
    budget.pool.give(again);
    second.close();
    assert.notEqual(budget.pool.take(PAGE), buffer);
  });
});

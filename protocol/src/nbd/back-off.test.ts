import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BackOff } from './back-off.ts';

describe('the waits between attempts to connect again', () => {
  const next = (backOff: BackOff, count: number): number[] =>
    Array.from({ length: count }, () => backOff.nextDelayMs());

  test('double from a fifth of a second to five seconds', (t) => {
    t.mock.method(Math, 'random', () => 0);
    assert.deepEqual(next(new BackOff(), 8), [200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  });

  test('are up to a half shorter, so that clients do not come all at once', () => {
    for (let count = 0; count < 100; count++) {
      const [first = 0, second = 0] = next(new BackOff(), 2);
      assert.ok(first > 100 && first <= 200 && second > 200 && second <= 400, `${first} ${second}`);
    }
  });

  test('begin anew after a connection that lasted, and only then', (t) => {
    t.mock.method(Math, 'random', () => 0);
    const backOff = new BackOff();
    backOff.interrupted(1000);
    next(backOff, 3);
    backOff.restored(5000);
    backOff.interrupted(9999);
    assert.equal(backOff.nextDelayMs(), 1600);
    backOff.restored(20_000);
    backOff.interrupted(25_000);
    assert.equal(backOff.nextDelayMs(), 200);
  });
});

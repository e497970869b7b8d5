import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { type Debt, ProgressWatch } from './progress-watch.ts';

/** A watch of 1000 ms on a clock that only the test moves. */
function watching(t: TestContext, ...debts: Debt[]): { stuck: () => number; pass: (ms: number) => void } {
  let now = 0;
  let count = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => now);
  const watch = new ProgressWatch(debts, { timeoutMs: 1000, onStuck: () => count++ });
  t.after(() => watch.stop());
  return {
    stuck: () => count,
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 125) {
        now += 125;
        t.mock.timers.tick(125);
      }
    },
  };
}

describe('the watch over progress', () => {
  test('reports who owes something and does not get on', (t) => {
    const { stuck, pass } = watching(t, () => 7);
    pass(1000);
    assert.equal(stuck(), 0);
    pass(250);
    assert.ok(stuck() > 0);
  });

  test('is content with any progress, and with who owes nothing', (t) => {
    let progress = 0;
    const { stuck, pass } = watching(
      t,
      () => progress,
      () => undefined,
    );
    for (let count = 0; count < 10; count++) {
      pass(750);
      progress++;
    }
    assert.equal(stuck(), 0);
  });

  test('starts anew when a debt was paid in between', (t) => {
    let owes = true;
    const { stuck, pass } = watching(t, () => (owes ? 7 : undefined));
    pass(750);
    owes = false;
    pass(125);
    owes = true;
    pass(875);
    assert.equal(stuck(), 0);
    pass(500);
    assert.ok(stuck() > 0);
  });
});

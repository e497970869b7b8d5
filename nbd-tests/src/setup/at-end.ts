import type { TestContext } from 'node:test';

type Action = () => unknown;

const actions = new WeakMap<TestContext, Action[]>();

/**
 * Does something when the test has ended. The last that was asked for is done first, and one failure does not stop the
 * rest, both unlike `test.after`.
 */
export function atEnd(test: TestContext, action: Action): void {
  const before = actions.get(test);
  if (before !== undefined) {
    before.push(action);
    return;
  }
  const all = [action];
  actions.set(test, all);
  test.after(async () => {
    const failures: unknown[] = [];
    for (const action of all.toReversed()) {
      try {
        await action();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '));
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCatalog } from './catalog.ts';
import type { CellResult } from './cell-result.ts';
import { allCells } from './cells.ts';
import { type RunOptions, runCells } from './run-cells.ts';

const NAMES = ['card-a', 'card-b', 'card-c', 'card-d'];
const catalog = makeCatalog(NAMES.map((name) => ({ name, category: 'Network', bus: 'PCI' })));
const cells = allCells(catalog);
const models = cells.filter(({ kind }) => kind === 'model');
const PASSED: CellResult = { state: 'passed' };

/** Runs cells on machines that are made up, and tells what was started and what came out. */
async function runOn(
  machine: Partial<RunOptions>,
  chosen = models,
): Promise<{ starts: string[]; results: Record<string, CellResult> }> {
  const starts: string[] = [];
  const results: Record<string, CellResult> = {};
  await runCells(chosen, {
    bootModels: async (present) => new Map(present.map(({ name }) => [name, PASSED])),
    bootMedium: async () => PASSED,
    onStart: (names) => starts.push(names.map((name) => name.replace('network-card-', '')).join('')),
    onResult: (name, result) => {
      results[name] = result;
    },
    isOver: () => false,
    signal: new AbortController().signal,
    ...machine,
  });
  return { starts, results };
}

test('one start is enough where all is well', async () => {
  const { starts, results } = await runOn({});
  assert.deepEqual(starts, ['abcd']);
  assert.deepEqual(Object.values(results), [PASSED, PASSED, PASSED, PASSED]);
});

test('a card that keeps a machine from starting is found, and the others pass', async () => {
  const { starts, results } = await runOn({
    bootModels: async (present) => {
      if (present.some(({ name }) => name === 'card-c')) throw new Error('panic');
      return new Map(present.map(({ name }) => [name, PASSED]));
    },
  });
  // The last one is with the extra drivers.
  assert.deepEqual(starts, ['abcd', 'ab', 'cd', 'c', 'c', 'd']);
  assert.deepEqual(results['network-card-c'], { state: 'failed', reason: 'panic' });
  assert.deepEqual(results['network-card-d'], PASSED);
});

test('a card that does not show itself is tried alone, and then with the extra drivers', async () => {
  const { starts, results } = await runOn({
    bootModels: async (present) =>
      new Map(
        present.map(({ name, extraDrivers }) => [
          name,
          name === 'card-b' && !extraDrivers ? { state: 'failed', reason: 'not shown' } : PASSED,
        ]),
      ),
  });
  assert.deepEqual(starts, ['abcd', 'b', 'b']);
  assert.deepEqual(results['network-card-b'], PASSED);
});

test('when time is over nothing is started, and nothing is known of what is left', async () => {
  let starts = 0;
  const { results } = await runOn(
    { isOver: () => starts > 0, onStart: () => starts++ },
    cells.filter(({ name }) => /card-a|medium-bios/.test(name)),
  );
  assert.deepEqual(Object.keys(results), ['network-card-a']);
});

test('a run that somebody ends has no result for what was under way', async () => {
  const interruption = new AbortController();
  const bootModels = async (): Promise<never> => {
    interruption.abort(new Error('interrupted'));
    throw new Error('the machine is gone');
  };
  await assert.rejects(runOn({ bootModels, signal: interruption.signal }), /interrupted/);
});

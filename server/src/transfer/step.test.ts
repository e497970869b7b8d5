import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSteps, type Step } from './step.ts';

function listener() {
  const seen: string[] = [];
  return {
    seen,
    onStep: ({ title }: Step) => seen.push(title),
    onProgress: (bytes: number) => seen.push(String(bytes)),
    onWarning: (message: string) => seen.push(`warning: ${message}`),
  };
}

test('progress runs over all steps and never beyond the estimate of one', async () => {
  const told = listener();
  const steps: Step[] = [
    { title: 'a', bytes: 10, run: async ({ onProgress }) => onProgress(50) },
    { title: 'b', bytes: 5, run: async ({ onProgress, warn }) => (warn('odd'), onProgress(2)) },
  ];
  await runSteps(steps, told, new AbortController().signal);
  assert.deepEqual(told.seen, ['a', '10', '10', 'b', 'warning: odd', '12', '15']);
});

test('a failing step is the last one', async () => {
  const told = listener();
  const steps: Step[] = [
    { title: 'a', bytes: 1, run: async () => Promise.reject(new Error('no space')) },
    { title: 'b', bytes: 1, run: async () => {} },
  ];
  await assert.rejects(runSteps(steps, told, new AbortController().signal), /no space/);
  assert.deepEqual(told.seen, ['a']);
});

test('an abort stops before the next step', async () => {
  const told = listener();
  const controller = new AbortController();
  const steps: Step[] = [
    { title: 'a', bytes: 1, run: async () => controller.abort(new Error('Ctrl-C')) },
    { title: 'b', bytes: 1, run: async () => {} },
  ];
  await assert.rejects(runSteps(steps, told, controller.signal), /Ctrl-C/);
  assert.deepEqual(told.seen, ['a', '1']);
});

import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { test } from 'node:test';
import { ByteGate } from './byte-gate.ts';

test('work beyond the limit waits, and goes on in its order', async () => {
  const gate = new ByteGate(10);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, bytes: number): Promise<void> =>
    gate.run(bytes, () => {
      begun.push(name);
      return new Promise((resolve) => ends.set(name, resolve));
    });
  const works = [start('a', 6), start('b', 4), start('c', 8), start('d', 1)];
  await nextTurn();
  assert.deepEqual(begun, ['a', 'b']);
  ends.get('b')?.();
  await nextTurn();
  // Room for d, but c was there before.
  assert.deepEqual(begun, ['a', 'b']);
  ends.get('a')?.();
  await nextTurn();
  assert.deepEqual(begun, ['a', 'b', 'c', 'd']);
  ends.get('c')?.();
  ends.get('d')?.();
  await Promise.all(works);
});

test('work that fails makes room as well', async () => {
  const gate = new ByteGate(1);
  await assert.rejects(
    gate.run(1, () => Promise.reject(new Error('broken'))),
    /broken/,
  );
  assert.equal(await gate.run(1, async () => 'done'), 'done');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../testing/random-operations.ts';
import { GranuleMap, GranuleState } from './granule-map.ts';

const { Below, Layer, Zero, Discarded } = GranuleState;

test('a new map says that everything is below, however large the disk', () => {
  const map = new GranuleMap();
  assert.equal(map.get(0), Below);
  assert.equal(map.get(2 ** 32), Below);
  assert.deepEqual([...map.runs(10, 20)], [{ first: 10, end: 20, state: Below }]);
});

test('a whole disk of 16 TiB can be discarded and one granule of it written', () => {
  const map = new GranuleMap();
  map.set(0, 2 ** 32, Zero);
  map.set(2 ** 31, 2 ** 31 + 1, Layer);
  assert.deepEqual(
    [...map.runs(2 ** 31 - 1, 2 ** 31 + 2)].map(({ state }) => state),
    [Zero, Layer, Zero],
  );
  assert.equal(map.get(2 ** 32 - 1), Zero);
  assert.equal(map.get(2 ** 32), Below);
});

test('random states across pages are kept', () => {
  const random = seededRandom(11);
  const map = new GranuleMap();
  const expected = new Uint8Array(150_000);
  for (let round = 0; round < 60; round++) {
    const first = Math.floor(random() * expected.length);
    const end = Math.min(expected.length, first + Math.floor(random() * 70_000));
    const state = [Below, Layer, Zero, Discarded][Math.floor(random() * 4)] ?? Below;
    map.set(first, end, state);
    expected.fill(state, first, end);
  }
  const seen = new Uint8Array(expected.length).fill(99);
  let before: number | undefined;
  for (const { first, end, state } of map.runs(0, expected.length)) {
    assert.notEqual(state, before, 'two runs that touch have the same state');
    before = state;
    seen.fill(state, first, end);
  }
  assert.deepEqual(seen, expected);
});

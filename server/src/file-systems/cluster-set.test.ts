import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { addClusters, emptyClusterSet, extentsOf, gapsBetween, removeClusters } from './cluster-set.ts';

function listOf(extents: ReturnType<typeof extentsOf>): [number, number][] {
  return Array.from({ length: extents.length }, (_, index) => [extents.start(index), extents.count(index)]);
}

test('clusters that touch become one extent', () => {
  const set = emptyClusterSet(100);
  for (const [first, count] of [
    [0, 2],
    [2, 7],
    [20, 1],
    [90, 10],
  ] as const)
    assert.ok(addClusters(set, first, count));
  assert.deepEqual(listOf(extentsOf(set)), [
    [0, 9],
    [20, 1],
    [90, 10],
  ]);
  removeClusters(set, 4, 2);
  assert.deepEqual(listOf(extentsOf(set)), [
    [0, 4],
    [6, 3],
    [20, 1],
    [90, 10],
  ]);
});

test('a cluster belongs to one file only, and to the volume', () => {
  const set = emptyClusterSet(100);
  assert.equal(addClusters(set, 10, 5), true);
  assert.equal(addClusters(set, 14, 1), false);
  assert.equal(addClusters(set, 5, 6), false);
  assert.equal(addClusters(set, 99, 2), false);
});

test('parts that are left out are found', () => {
  const [all, parts] = [emptyClusterSet(64), emptyClusterSet(64)];
  addClusters(all, 0, 10);
  addClusters(all, 20, 10);
  addClusters(all, 40, 5);
  addClusters(parts, 2, 3);
  addClusters(parts, 20, 10);
  assert.deepEqual(
    [...gapsBetween(extentsOf(all), extentsOf(parts))],
    [
      { start: 0, count: 2 },
      { start: 5, count: 5 },
      { start: 40, count: 5 },
    ],
  );
});

test('extents have exactly the clusters of the set', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(199)), (clusters) => {
      const set = emptyClusterSet(200);
      for (const cluster of clusters) addClusters(set, cluster, 1);
      const found = listOf(extentsOf(set)).flatMap(([start, count]) =>
        Array.from({ length: count }, (_, index) => start + index),
      );
      assert.deepEqual(
        found,
        clusters.toSorted((a, b) => a - b),
      );
    }),
  );
});

import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { decodeRuns, encodeRuns, type NtfsRun } from './ntfs-runs.ts';

test('runs are read and written as Windows does', () => {
  // 0x38 clusters at 0x342573, 0x114 more at 0x363758 (0x211e5 farther), 0x42 at 0x393802 (0x300aa farther).
  const bytes = Buffer.from('3138732534321401e511023142aa000300', 'hex');
  const runs = [
    { cluster: 0x342573, count: 0x38 },
    { cluster: 0x363758, count: 0x114 },
    { cluster: 0x393802, count: 0x42 },
  ];
  assert.deepEqual(decodeRuns(bytes), runs);
  assert.deepEqual(encodeRuns(runs), bytes);
});

test('a hole has a count alone, and the run behind it counts from the run before it', () => {
  const bytes = Buffer.from('11043001101102e000', 'hex');
  const runs = [
    { cluster: 48, count: 4 },
    { cluster: undefined, count: 16 },
    { cluster: 16, count: 2 },
  ];
  assert.deepEqual(decodeRuns(bytes), runs);
  assert.deepEqual(encodeRuns(runs), bytes);
});

for (const [what, hex] of [
  ['without an end', '110430'],
  ['with a count of nothing', '10043000'],
  ['that is cut', '4108ff'],
  ['before the beginning of the volume', '1104ff00'],
] as const) {
  test(`a list ${what} is damaged`, () => {
    assert.throws(() => decodeRuns(Buffer.from(hex, 'hex')), { code: 'DAMAGED' });
  });
}

const someRuns = fc.array(
  fc.record(
    {
      cluster: fc.option(fc.nat(2 ** 31 - 1), { nil: undefined }),
      count: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    },
    { noNullPrototype: true },
  ),
);

test('what was written is read again', () => {
  fc.assert(fc.property(someRuns, (runs) => assert.deepEqual(decodeRuns(encodeRuns(runs)), runs)));
});

test('a list never becomes longer when gaps shrink', () => {
  const closer = (runs: readonly NtfsRun[], proportion: number): NtfsRun[] =>
    runs.map(({ cluster, count }) => ({
      cluster: cluster === undefined ? undefined : Math.floor(cluster * proportion),
      count,
    }));
  fc.assert(
    fc.property(someRuns, fc.constantFrom(0.5, 0.25, 0.125), (runs, proportion) => {
      // Places that are multiples keep their order and distances exactly in proportion.
      const aligned = runs.map(({ cluster, count }) => ({
        cluster: cluster && cluster - (cluster % 8),
        count,
      }));
      assert.ok(encodeRuns(closer(aligned, proportion)).length <= encodeRuns(aligned).length);
    }),
  );
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import {
  array,
  assert as assertProperty,
  boolean,
  constantFrom,
  double,
  integer,
  property,
  record,
} from 'fast-check';
import {
  type Layout,
  LayoutError,
  type LayoutRequest,
  type VolumeNeeds,
  type WantedSize,
} from './layout-request.ts';
import { planLayout } from './plan-layout.ts';
import { endOfUsableSpace } from './usable-space.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

type Made = [role: Partition['role'], startMib: number, sizeMib: number, needs?: Partial<VolumeNeeds>];

/** A request for a disk with these partitions onto one of `toMib`. */
function request(
  kind: 'gpt' | 'mbr',
  fromMib: number,
  made: readonly Made[],
  toMib: number,
  more: { sectors?: [number, number]; wanted?: [number, WantedSize][] } = {},
): LayoutRequest {
  const [sourceSectorBytes, sectorBytes] = more.sectors ?? [512, 512];
  let logical = 5;
  let primary = 1;
  const partitions = made.map(([role, start, size]): Partition => {
    return {
      number: role === 'logical' ? logical++ : primary++,
      start: start * MIB,
      size: size * MIB,
      type: '0x83',
      role,
    };
  });
  const table: PartitionTable = {
    kind,
    id: '',
    partitions,
    warnings: [],
    usedBackup: false,
    tableRegions: [],
  };
  const needs = new Map(
    partitions.map(({ number, size }, index) => [
      number,
      { smallestBytes: size, growable: false, ...made[index]?.[3] },
    ]),
  );
  return {
    table,
    needs,
    sourceSectorBytes,
    sourceBytes: fromMib * MIB,
    destination: { bytes: toMib * MIB, sectorBytes },
    ...(more.wanted === undefined ? {} : { wanted: new Map(more.wanted) }),
  };
}

/** In MiB, rounded down. */
function places({ partitions }: Layout): [number, number, number][] {
  return partitions.map(({ number, start, size }) => [
    number,
    Math.floor(start / MIB),
    Math.floor(size / MIB),
  ]);
}

const WINDOWS: Made[] = [
  ['gpt', 1, 100],
  ['gpt', 101, 16],
  ['gpt', 117, 3000, { growable: true, smallestBytes: 900 * MIB }],
  ['gpt', 3117, 500],
];

describe('planLayout', () => {
  test('leaves everything where it is on a disk of the same size', () => {
    const { unchanged } = planLayout(request('gpt', 4096, WINDOWS, 4096));
    assert.equal(unchanged, true);
  });

  test('grows the last growable partition and moves what is behind it to the end of a larger disk', () => {
    const layout = planLayout(request('gpt', 4096, WINDOWS, 8192));
    assert.deepEqual(places(layout), [
      [1, 1, 100],
      [2, 101, 16],
      [3, 117, 7574],
      [4, 7691, 500],
    ]);
    assert.equal(layout.unchanged, false);
  });

  test('shrinks growable partitions only, down to what their contents need', () => {
    const layout = planLayout(request('gpt', 4096, WINDOWS, 2048));
    assert.deepEqual(places(layout), [
      [1, 1, 100],
      [2, 101, 16],
      [3, 117, 1430],
      [4, 1547, 500],
    ]);
  });

  test('gives up free space between partitions before it shrinks one', () => {
    const made: Made[] = [
      ['primary', 1, 100],
      ['primary', 3000, 500, { growable: true, smallestBytes: 100 * MIB }],
    ];
    assert.deepEqual(places(planLayout(request('mbr', 4096, made, 700))), [
      [1, 1, 100],
      [2, 101, 599],
    ]);
  });

  test('refuses with the need of each partition when they cannot fit', () => {
    assert.throws(
      () => planLayout(request('gpt', 4096, WINDOWS, 1024)),
      (error) =>
        error instanceof LayoutError &&
        error.code === 'DOES_NOT_FIT' &&
        /partition 3 needs 943\.7 MB/.test(error.message) &&
        /partition 4 needs 524\.3 MB/.test(error.message),
    );
  });

  test('carries logical partitions and the extended one around them', () => {
    const made: Made[] = [
      ['primary', 1, 500],
      ['extended', 501, 1500],
      ['logical', 502, 498],
      ['logical', 1001, 1000, { growable: true, smallestBytes: 200 * MIB }],
    ];
    assert.deepEqual(places(planLayout(request('mbr', 2001, made, 4000))), [
      [1, 1, 500],
      [2, 501, 3499],
      [5, 502, 498],
      [6, 1001, 2999],
    ]);
    assert.deepEqual(places(planLayout(request('mbr', 2001, made, 1500))), [
      [1, 1, 500],
      [2, 501, 999],
      [5, 502, 498],
      [6, 1001, 499],
    ]);
  });

  test('does what is asked for one partition, and refuses what its contents do not allow', () => {
    const wanted = (size: WantedSize) =>
      planLayout(request('gpt', 4096, WINDOWS, 8192, { wanted: [[3, size]] }));
    assert.equal(places(wanted(2 * GIB))[2]?.[2], 2048);
    assert.equal(places(wanted('keep'))[2]?.[2], 3000);
    assert.equal(places(wanted('min'))[2]?.[2], 900);
    assert.throws(
      () => wanted(100 * MIB),
      /partition 3 cannot have 104\.9 MB: its contents need at least 943\.7 MB/,
    );
  });

  test('aligns partitions of old disks to the sectors of the new one', () => {
    const old = request('mbr', 1000, [['primary', 1, 900, { growable: true, smallestBytes: MIB }]], 1000, {
      sectors: [512, 4096],
    });
    const [partition] = old.table.partitions;
    const table = { ...old.table, partitions: [{ ...(partition as Partition), start: 63 * 512 }] };
    const [placed] = planLayout({ ...old, table }).partitions;
    assert.equal(placed?.start, MIB);
    assert.equal((placed?.size ?? 1) % 4096, 0);
  });

  test('never overlaps, reorders, shrinks below the need or leaves the disk', () => {
    const volume = record({
      gapMib: integer({ min: 0, max: 50 }),
      sizeMib: integer({ min: 1, max: 4000 }),
      needShare: double({ min: 0.01, max: 1, noNaN: true }),
      growable: boolean(),
    });
    const sector = constantFrom(512, 4096);
    let fitted = 0;
    assertProperty(
      property(
        array(volume, { minLength: 1, maxLength: 6 }),
        integer({ min: 10, max: 30_000 }),
        sector,
        sector,
        constantFrom('gpt' as const, 'mbr' as const),
        (volumes, toMib, from, to, kind) => {
          let at = 1;
          const made = volumes.map(({ gapMib, sizeMib, needShare, growable }): Made => {
            const start = at + gapMib;
            at = start + sizeMib;
            const smallestBytes = Math.ceil(sizeMib * needShare) * MIB;
            return [kind === 'gpt' ? 'gpt' : 'primary', start, sizeMib, { smallestBytes, growable }];
          });
          const asked = request(kind, at + 2, made, toMib, { sectors: [from, to] });
          let layout: Layout;
          try {
            layout = planLayout(asked);
          } catch (error) {
            assert.ok(error instanceof LayoutError, String(error));
            return;
          }
          fitted++;
          let end = 0;
          for (const { number, start, size, was } of layout.partitions) {
            const needs = asked.needs.get(number);
            assert.ok(start >= end, 'overlap');
            assert.equal(start % to, 0);
            assert.ok(size >= (needs?.smallestBytes ?? 0));
            if (needs?.growable === false) assert.equal(size, was.size);
            end = start + size;
          }
          assert.ok(end <= endOfUsableSpace(kind, asked.destination));
        },
      ),
      { numRuns: 2000 },
    );
    assert.ok(fitted > 300, `only ${fitted} fitted`);
  });

  test('makes room for the backup of a GPT where an MBR had none, on a disk of the same size', () => {
    const made: Made[] = [
      ['gpt', 1, 60, { smallestBytes: 10 * MIB, growable: true }],
      ['gpt', 61, 39],
    ];
    const asked = request('gpt', 100, made, 100);
    const { partitions } = planLayout(asked);
    const [first, last] = partitions;
    assert.deepEqual([first?.start, last?.size], [MIB, 39 * MIB]);
    assert.ok((last?.start ?? 0) + (last?.size ?? 0) <= endOfUsableSpace('gpt', asked.destination));
    // An MBR has nothing there.
    assert.ok(planLayout({ ...asked, table: { ...asked.table, kind: 'mbr' } }).unchanged);
  });

  test('keeps the first partition off a table that becomes larger with the sectors', () => {
    const asked = request('gpt', 100, [['gpt', 20 / 1024, 10]], 100, { sectors: [512, 4096] });
    assert.equal(planLayout(asked).partitions[0]?.start, MIB);
    const same = request('gpt', 100, [['gpt', 20 / 1024, 10]], 200);
    assert.equal(planLayout(same).partitions[0]?.start, 20 * 1024);
  });
});

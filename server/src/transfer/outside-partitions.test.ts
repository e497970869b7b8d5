import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import { rangesOutsidePartitions } from './outside-partitions.ts';

const MIB = 1024 * 1024;

function table(
  partitions: readonly Partition[],
  tableRegions: PartitionTable['tableRegions'],
): PartitionTable {
  return { kind: 'mbr', id: '0x1', partitions, tableRegions, warnings: [], usedBackup: false };
}

function partition(
  number: number,
  start: number,
  size: number,
  role: Partition['role'] = 'primary',
): Partition {
  return { number, start, size, role, type: '0x83' };
}

test('everything before the first partition is copied, with the boot code and the gap', () => {
  const ranges = rangesOutsidePartitions(table([partition(1, MIB, 10 * MIB)], [{ start: 0, size: 512 }]));
  assert.deepEqual(ranges, [{ start: 0, size: MIB }]);
});

test('table sectors elsewhere are ranges of their own, in disk order', () => {
  const regions = [
    { start: 20 * MIB, size: 512 },
    { start: 0, size: 512 },
    { start: 11 * MIB, size: 512 },
  ];
  const partitions = [partition(1, MIB, 10 * MIB), partition(2, 11 * MIB, 9 * MIB, 'extended')];
  assert.deepEqual(rangesOutsidePartitions(table(partitions, regions)), [
    { start: 0, size: MIB },
    { start: 11 * MIB, size: 512 },
    { start: 20 * MIB, size: 512 },
  ]);
});

test('ranges that touch are merged', () => {
  const regions = [
    { start: 0, size: 512 },
    { start: 512, size: 512 },
  ];
  assert.deepEqual(rangesOutsidePartitions(table([partition(1, 1024, MIB)], regions)), [
    { start: 0, size: 1024 },
  ]);
});

test('a partition over the table is refused, an extended one is not', () => {
  const over = table([partition(1, 256, MIB)], [{ start: 0, size: 512 }]);
  assert.throws(() => rangesOutsidePartitions(over), { code: 'PARTITION_OVERLAPS_TABLE' });
});

test('a first partition far inside the disk does not make the whole gap boot code', () => {
  const [leading] = rangesOutsidePartitions(table([partition(1, 4096 * MIB, MIB)], []));
  assert.deepEqual(leading, { start: 0, size: 64 * MIB });
});

test('a disk without a table has nothing outside', () => {
  assert.deepEqual(rangesOutsidePartitions({ ...table([], []), kind: 'none' }), []);
});

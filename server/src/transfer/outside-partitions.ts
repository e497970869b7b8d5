import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { DiskferryError } from '@diskferry/system/errors';

/** GRUB and its like need some 100 KiB in front of the first partition; much more is no boot code. */
const MAX_LEADING_BYTES = 64 * 1024 * 1024;

/**
 * What lies outside the partitions and belongs to the computer: the boot code and the gap behind the MBR, where
 * boot loaders live, and the sectors of the partition table itself (GPT backup, chain of logical partitions).
 * In disk order, merged.
 *
 * @throws {DiskferryError} `PARTITION_OVERLAPS_TABLE` when a partition lies over the table
 */
export function rangesOutsidePartitions(table: PartitionTable): ByteRange[] {
  if (table.kind === 'none') return [];
  const ranges = mergeRanges([...leadingRange(table, []), ...table.tableRegions]);
  for (const partition of table.partitions.filter(({ role }) => role !== 'extended')) {
    const covered = table.tableRegions.find((region) => overlaps(region, partition));
    if (covered !== undefined) {
      throw new DiskferryError(
        'PARTITION_OVERLAPS_TABLE',
        `partition ${partition.number} lies over the partition table at byte ${covered.start}; mend the table first`,
      );
    }
  }
  return ranges;
}

/** The part of that in front of the first partition, before and after partitions are moved. */
export function leadingRange(
  { kind, partitions }: PartitionTable,
  moved: readonly Pick<Partition, 'start'>[],
): ByteRange[] {
  if (kind === 'none') return [];
  const starts = [...partitions, ...moved].map(({ start }) => start);
  return [{ start: 0, size: Math.min(MAX_LEADING_BYTES, ...starts) }];
}

function overlaps(left: ByteRange, right: ByteRange): boolean {
  return left.start < right.start + right.size && right.start < left.start + left.size;
}

function mergeRanges(ranges: readonly ByteRange[]): ByteRange[] {
  const merged: { start: number; size: number }[] = [];
  for (const { start, size } of ranges.toSorted((left, right) => left.start - right.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last.start + last.size) {
      last.size = Math.max(last.size, start + size - last.start);
    } else {
      merged.push({ start, size });
    }
  }
  return merged.filter(({ size }) => size > 0);
}

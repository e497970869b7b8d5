import { type Partition, PartitionTableError } from './partition-table.ts';

/** @throws {PartitionTableError} when two partitions share bytes, naming both */
export function refuseOverlaps(partitions: readonly Partition[]): void {
  const sorted = [...partitions].sort((one, other) => one.start - other.start);
  for (const [index, next] of sorted.entries()) {
    const previous = sorted[index - 1];
    if (previous === undefined || previous.start + previous.size <= next.start) continue;
    throw new PartitionTableError(
      `the partitions ${previous.number} and ${next.number} overlap: ${previous.number} ends at byte ` +
        `${previous.start + previous.size}, ${next.number} starts at byte ${next.start}`,
    );
  }
}

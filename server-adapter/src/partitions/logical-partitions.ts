import {
  decodeMbrEntries,
  hasMbrSignature,
  isActive,
  isExtended,
  isUsed,
  type MbrEntry,
} from './mbr-sector.ts';
import { type Partition, PartitionTableError } from './partition-table.ts';
import type { ByteRange, ReadableDisk } from './readable-disk.ts';

/** Linux stops numbering long before; a longer chain is damage. */
const MAX_LINKS = 128;

export interface LogicalPartitions {
  readonly partitions: readonly Partition[];
  readonly regions: readonly ByteRange[];
  readonly warnings: readonly string[];
}

/**
 * Follows the chain of extended boot records inside an extended partition. In each, the first entry is a logical
 * partition, counted from that record, and the second the next record, counted from the extended partition.
 *
 * @param firstNumber the number of the first logical partition
 * @throws {PartitionTableError} when the chain leaves the extended partition, returns to itself or breaks off
 */
export async function readLogicalPartitions(
  disk: ReadableDisk,
  extended: Partition,
  firstNumber: number,
): Promise<LogicalPartitions> {
  const sectorBytes = disk.sectorSize.logical;
  const partitions: Partition[] = [];
  const regions: ByteRange[] = [];
  const visited = new Set<number>();
  for (let link: number | undefined = extended.start; link !== undefined; ) {
    refuseLink(extended, link, visited);
    visited.add(link);
    const sector = await disk.read(link, sectorBytes);
    if (!hasMbrSignature(sector)) {
      if (link === extended.start && sector.every((byte) => byte === 0)) {
        return { partitions, regions, warnings: [`the extended partition ${extended.number} is empty`] };
      }
      throw new PartitionTableError(
        `the chain of logical partitions in partition ${extended.number} breaks off at byte ${link}: no boot record there`,
      );
    }
    regions.push({ start: link, size: sectorBytes });
    const entries = decodeMbrEntries(sector).filter(isUsed);
    for (const entry of entries.filter((entry) => !isExtended(entry))) {
      partitions.push(logicalPartition(entry, link, firstNumber + partitions.length, sectorBytes));
    }
    const next = entries.find(isExtended);
    link = next === undefined ? undefined : extended.start + next.start * sectorBytes;
  }
  refuseOutside(partitions, extended);
  return { partitions, regions, warnings: [] };
}

function logicalPartition(entry: MbrEntry, link: number, number: number, sectorBytes: number): Partition {
  return {
    number,
    start: link + entry.start * sectorBytes,
    size: entry.sectors * sectorBytes,
    type: formatMbrType(entry.type),
    active: isActive(entry),
    role: 'logical',
  };
}

/** A type byte as "0x83". */
export function formatMbrType(type: number): string {
  return `0x${type.toString(16).padStart(2, '0')}`;
}

function refuseLink(extended: Partition, link: number, visited: ReadonlySet<number>): void {
  const why =
    link < extended.start || link >= extended.start + extended.size
      ? `leads to byte ${link}, outside of it`
      : visited.has(link)
        ? `returns to byte ${link}`
        : visited.size >= MAX_LINKS
          ? `has more than ${MAX_LINKS} links`
          : undefined;
  if (why === undefined) return;
  throw new PartitionTableError(`the chain of logical partitions in partition ${extended.number} ${why}`);
}

function refuseOutside(partitions: readonly Partition[], extended: Partition): void {
  for (const { number, start, size } of partitions) {
    if (start > extended.start && start + size <= extended.start + extended.size) continue;
    throw new PartitionTableError(
      `the logical partition ${number} (bytes ${start} to ${start + size}) lies outside the extended partition ${extended.number}`,
    );
  }
}

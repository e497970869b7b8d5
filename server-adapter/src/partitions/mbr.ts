import { readLogicalPartitions, formatMbrType } from './logical-partitions.ts';
import { decodeMbrEntries, diskSignature, isActive, isExtended, isUsed } from './mbr-sector.ts';
import { refuseOverlaps } from './overlaps.ts';
import { type Partition, type PartitionTable, PartitionTableError } from './partition-table.ts';
import type { ByteRange, ReadableDisk } from './readable-disk.ts';

/** Linux numbers logical partitions from here, however many primary ones there are. */
const FIRST_LOGICAL_NUMBER = 5;

/**
 * Reads an MBR partition table with its logical partitions.
 *
 * @param sector the first sector of the disk
 * @throws {PartitionTableError} when partitions overlap, lie outside the disk, or a chain of logical ones is damaged
 */
export async function readMbr(disk: ReadableDisk, sector: Buffer): Promise<PartitionTable> {
  const sectorBytes = disk.sectorSize.logical;
  const primaries = decodePrimaries(sector, sectorBytes);
  refuseOutside(primaries, disk);
  refuseOverlaps(primaries);

  const logicals: Partition[] = [];
  const tableRegions: ByteRange[] = [{ start: 0, size: sectorBytes }];
  const warnings: string[] = [];
  for (const extended of primaries.filter(({ role }) => role === 'extended')) {
    const found = await readLogicalPartitions(disk, extended, FIRST_LOGICAL_NUMBER + logicals.length);
    logicals.push(...found.partitions);
    tableRegions.push(...found.regions);
    warnings.push(...found.warnings);
  }
  refuseOverlaps(logicals);
  return {
    kind: 'mbr',
    id: diskSignature(sector),
    partitions: [...primaries, ...logicals],
    warnings,
    usedBackup: false,
    tableRegions: tableRegions.sort((one, other) => one.start - other.start),
  };
}

function decodePrimaries(sector: Buffer, sectorBytes: number): Partition[] {
  return decodeMbrEntries(sector)
    .map((entry, index) => ({ entry, number: index + 1 }))
    .filter(({ entry }) => isUsed(entry))
    .map(({ entry, number }) => ({
      number,
      start: entry.start * sectorBytes,
      size: entry.sectors * sectorBytes,
      type: formatMbrType(entry.type),
      active: isActive(entry),
      role: isExtended(entry) ? 'extended' : 'primary',
    }));
}

function refuseOutside(partitions: readonly Partition[], disk: ReadableDisk): void {
  for (const { number, start, size } of partitions) {
    if (start + size <= disk.size) continue;
    throw new PartitionTableError(
      `partition ${number} (bytes ${start} to ${start + size}) lies outside the disk of ${disk.size} bytes`,
    );
  }
}

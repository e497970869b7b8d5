import type { TablePatch } from './gpt.ts';
import {
  decodeMbrEntries,
  encodeMbrEntry,
  isProtective,
  isUsed,
  MAX_SECTORS,
  type MbrEntry,
  protectiveMbr,
  writeMbrSignature,
} from './mbr-sector.ts';
import type { MovedPartition, TableDestination } from './moved-table.ts';
import { PartitionTableError } from './partition-table.ts';
import type { ReadableDisk } from './readable-disk.ts';

const MBR_BYTES = 512;
/** What links to the next boot record, in every program's chains. */
const LINK_TYPE = 0x05;
const ACTIVE = 0x80;
/** Where a boot record stands in front of its partition, if there is so much room. */
const RECORD_DISTANCE_BYTES = 1024 * 1024;

/** The MBR of a disk, with its chain of logical partitions, for another disk with its partitions at other places. */
export async function movedMbr(
  source: ReadableDisk,
  partitions: readonly MovedPartition[],
  destination: TableDestination,
): Promise<TablePatch[]> {
  const sector = await firstSector(source, destination.sectorBytes);
  for (const partition of partitions.filter(({ role }) => role !== 'logical')) {
    const entry = decodeMbrEntries(sector)[partition.number - 1] as MbrEntry;
    encodeMbrEntry(sector, partition.number - 1, { ...entry, ...placeOf(partition, 0, destination) });
  }
  const records = partitions
    .filter(({ role }) => role === 'extended')
    .flatMap((extended) => chainOf(extended, logicalIn(extended, partitions), destination));
  return [{ start: 0, data: sector }, ...records];
}

/**
 * The first sector of a disk with a GPT: boot code and disk signature stay, the protective entry covers the new disk, and the
 * entries of a hybrid MBR follow their partitions.
 */
export async function movedProtectiveMbr(
  source: ReadableDisk,
  partitions: readonly MovedPartition[],
  destination: TableDestination,
): Promise<Buffer> {
  const { sectorBytes } = destination;
  const sectors = Math.floor(destination.bytes / sectorBytes);
  const sector = protectiveMbr(await firstSector(source, sectorBytes), sectors);
  const entries = decodeMbrEntries(sector);
  const isHybrid = entries.filter(isUsed).length > 1;
  for (const [index, entry] of entries.entries()) {
    if (!isUsed(entry)) continue;
    if (isProtective(entry)) {
      const covered = isHybrid ? firstStart(partitions) / sectorBytes : sectors;
      encodeMbrEntry(sector, index, { ...entry, sectors: Math.min(covered - 1, MAX_SECTORS) });
      continue;
    }
    const startBytes = entry.start * source.sectorSize.logical;
    const partition = partitions.find(({ was }) => was.start === startBytes);
    const place = partition === undefined ? undefined : placeOf(partition, 0, destination);
    encodeMbrEntry(sector, index, place === undefined ? EMPTY : { ...entry, ...place });
  }
  return sector;
}

const EMPTY: MbrEntry = { status: 0, type: 0, start: 0, sectors: 0 };

/** Boot code, disk signature and entries, in a sector of the destination's size. */
async function firstSector(source: ReadableDisk, sectorBytes: number): Promise<Buffer> {
  const sector = Buffer.alloc(sectorBytes);
  (await source.read(0, source.sectorSize.logical)).copy(sector, 0, 0, MBR_BYTES);
  return sector;
}

/**
 * One boot record a logical partition: its partition counted from the record, the next record counted from the
 * extended partition.
 */
function chainOf(
  extended: MovedPartition,
  logical: readonly MovedPartition[],
  destination: TableDestination,
): TablePatch[] {
  const { sectorBytes } = destination;
  const places = logical.map((partition, index) =>
    index === 0 ? extended.start : recordPlace(partition, logical, extended, sectorBytes),
  );
  return logical.map((partition, index) => {
    const data = Buffer.alloc(sectorBytes);
    const record = places[index] as number;
    const type = Number(partition.type);
    const status = partition.active === true ? ACTIVE : 0;
    encodeMbrEntry(data, 0, { status, type, ...placeOf(partition, record, destination) });
    const next = logical[index + 1];
    const nextRecord = places[index + 1];
    if (next !== undefined && nextRecord !== undefined) {
      const link = { start: nextRecord, size: next.start + next.size - nextRecord, number: next.number };
      const place = placeOf(link, extended.start, destination);
      encodeMbrEntry(data, 1, { status: 0, type: LINK_TYPE, ...place });
    }
    writeMbrSignature(data);
    return { start: record, data };
  });
}

/** In the free space in front of the partition, where the record of the first one may stand too. */
function recordPlace(
  partition: MovedPartition,
  logical: readonly MovedPartition[],
  extended: MovedPartition,
  sectorBytes: number,
): number {
  const ends = logical.map(({ start, size }) => start + size).filter((end) => end <= partition.start);
  const free = Math.max(extended.start + sectorBytes, ...ends);
  const place = Math.max(free, partition.start - RECORD_DISTANCE_BYTES);
  if (place + sectorBytes > partition.start) {
    throw new PartitionTableError(
      `there is no room for the boot record of the logical partition ${partition.number} in front of it`,
    );
  }
  return place;
}

function logicalIn(extended: MovedPartition, partitions: readonly MovedPartition[]): MovedPartition[] {
  return partitions.filter(
    ({ role, start }) =>
      role === 'logical' && start > extended.start && start < extended.start + extended.size,
  );
}

/** @throws {PartitionTableError} for places beyond what 32 bits can say */
function placeOf(
  { number, start, size }: Pick<MovedPartition, 'number' | 'start' | 'size'>,
  from: number,
  { sectorBytes }: TableDestination,
): Pick<MbrEntry, 'start' | 'sectors'> {
  const place = { start: (start - from) / sectorBytes, sectors: size / sectorBytes };
  if (place.start <= MAX_SECTORS && place.sectors <= MAX_SECTORS) return place;
  throw new PartitionTableError(
    `partition ${number} lies beyond the 2^32 sectors that an MBR can address; it needs a GPT or sectors of 4096 bytes`,
  );
}

function firstStart(partitions: readonly MovedPartition[]): number {
  return Math.min(...partitions.map(({ start }) => start));
}

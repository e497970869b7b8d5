import { formatGuid } from './guid.ts';
import { type GptHeader, moveHeader, readGptHeader, readLba } from './gpt-header.ts';
import { protectiveMbr } from './mbr-sector.ts';
import { refuseOverlaps } from './overlaps.ts';
import { type Partition, type PartitionTable, PartitionTableError } from './partition-table.ts';
import type { ByteRange, ReadableDisk } from './readable-disk.ts';

const PRIMARY_LBA = 1;
/** Where the primary entries stand: directly behind the header, as every program writes them. */
const PRIMARY_ENTRIES_LBA = 2;
const EMPTY_TYPE = '00000000-0000-0000-0000-000000000000';
const NAME_OFFSET = 56;
const NAME_BYTES = 72;

/** The two tables of a disk; one of them may be damaged. */
interface GptPair {
  readonly used: GptHeader;
  readonly usedBackup: boolean;
  readonly other: GptHeader | undefined;
  readonly warnings: readonly string[];
}

/**
 * Reads a GUID partition table, from its backup at the end of the disk where the primary is damaged.
 *
 * @throws {PartitionTableError} when both tables are damaged, or the partitions overlap or lie outside the disk
 */
export async function readGpt(disk: ReadableDisk): Promise<PartitionTable> {
  const { used, usedBackup, other, warnings } = await readPair(disk);
  const sectorBytes = disk.sectorSize.logical;
  const partitions = decodeEntries(used, sectorBytes);
  refuseOutside(partitions, disk, used);
  refuseOverlaps(partitions);
  return {
    kind: 'gpt',
    id: used.diskGuid,
    partitions,
    warnings,
    usedBackup,
    tableRegions: regionsOf([used, other], sectorBytes),
  };
}

/** Whether a sound primary table stands in its place. */
export async function hasPrimaryGpt(disk: ReadableDisk): Promise<boolean> {
  return !('damage' in (await readGptHeader(disk, PRIMARY_LBA)));
}

/** Whether a sound backup table stands at the end of the disk. */
export async function hasBackupGpt(disk: ReadableDisk): Promise<boolean> {
  return !('damage' in (await readGptHeader(disk, lastLbaOf(disk))));
}

function lastLbaOf({ size, sectorSize }: ReadableDisk): number {
  return Math.floor(size / sectorSize.logical) - 1;
}

/** Bytes to be written to a disk. */
export interface TablePatch {
  readonly start: number;
  readonly data: Buffer;
}

/**
 * What must be written to make a damaged primary table whole again: the protective MBR, the header and the entries,
 * rebuilt from the backup. Boot code in the MBR is kept. Empty when nothing is damaged.
 *
 * @throws {PartitionTableError} when the backup is damaged too
 */
export async function repairPrimaryGpt(disk: ReadableDisk): Promise<TablePatch[]> {
  const { used: backup, usedBackup } = await readPair(disk);
  if (!usedBackup) return [];
  const sectorBytes = disk.sectorSize.logical;
  const header = moveHeader(backup, {
    lba: PRIMARY_LBA,
    alternateLba: backup.lba,
    entriesLba: PRIMARY_ENTRIES_LBA,
  });
  const entries = Buffer.alloc(Math.ceil(backup.entries.length / sectorBytes) * sectorBytes);
  backup.entries.copy(entries);
  const mbr = protectiveMbr(await disk.read(0, sectorBytes), Math.floor(disk.size / sectorBytes));
  return [
    { start: 0, data: mbr },
    { start: PRIMARY_LBA * sectorBytes, data: header },
    { start: PRIMARY_ENTRIES_LBA * sectorBytes, data: entries },
  ];
}

/** The header to be used and the other one. */
export async function readPair(disk: ReadableDisk): Promise<GptPair> {
  const lastLba = lastLbaOf(disk);
  const primary = await readGptHeader(disk, PRIMARY_LBA);
  // A disk that was enlarged has its backup where its old end was, which only the primary knows.
  const alternateLba = 'damage' in primary ? lastLba : primary.alternateLba;
  const backup = await readGptHeader(disk, alternateLba);
  if (!('damage' in primary)) {
    const warnings =
      'damage' in backup ? [`the backup GPT is damaged (${backup.damage}); the primary one is used`] : [];
    if (alternateLba !== lastLba) {
      warnings.push(
        `the backup GPT is at sector ${alternateLba}, not at the end of the disk, sector ${lastLba}`,
      );
    }
    return { used: primary, usedBackup: false, other: 'damage' in backup ? undefined : backup, warnings };
  }
  if ('damage' in backup) {
    throw new PartitionTableError(
      `both GUID partition tables of the disk are damaged: of the primary one, ${primary.damage}; ` +
        `of the backup at sector ${lastLba}, ${backup.damage}${await sectorSizeHint(disk)}`,
    );
  }
  const warning = `the primary GPT is damaged (${primary.damage}); its backup at the end of the disk is used`;
  return { used: backup, usedBackup: true, other: undefined, warnings: [warning] };
}

/** A table written with other sectors looks damaged: its header is at byte 512 or 4096. */
async function sectorSizeHint(disk: ReadableDisk): Promise<string> {
  const start = await disk.read(0, 8192);
  for (const other of [512, 4096].filter((size) => size !== disk.sectorSize.logical)) {
    if (start.toString('latin1', other, other + 8) === 'EFI PART') {
      return `; the disk has a table for sectors of ${other} bytes, but is read with ${disk.sectorSize.logical}`;
    }
  }
  return '';
}

/*
 * 0 GUID of the type, zero for an unused entry; 16 GUID of the partition; 32 u64 first LBA; 40 u64 last LBA;
 * 48 u64 attributes; 56 name, UTF-16LE, ended by NUL or full length
 */
function decodeEntries({ entries, entryCount, entrySize }: GptHeader, sectorBytes: number): Partition[] {
  const partitions: Partition[] = [];
  for (let index = 0; index < entryCount; index++) {
    const entry = entries.subarray(index * entrySize, (index + 1) * entrySize);
    const type = formatGuid(entry, 0);
    if (type === EMPTY_TYPE) continue;
    const firstLba = readLba(entry, 32);
    const lastLba = readLba(entry, 40);
    const [name = ''] = entry.toString('utf16le', NAME_OFFSET, NAME_OFFSET + NAME_BYTES).split('\0');
    partitions.push({
      number: index + 1,
      start: firstLba * sectorBytes,
      size: (lastLba - firstLba + 1) * sectorBytes,
      type,
      guid: formatGuid(entry, 16),
      name,
      attributes: entry.readBigUInt64LE(48).toString(16).padStart(16, '0'),
      role: 'gpt',
    });
  }
  return partitions;
}

function refuseOutside(partitions: readonly Partition[], disk: ReadableDisk, header: GptHeader): void {
  const sectorBytes = disk.sectorSize.logical;
  for (const { number, start, size } of partitions) {
    const inside =
      size > 0 &&
      start >= header.firstUsableLba * sectorBytes &&
      start + size <= (header.lastUsableLba + 1) * sectorBytes &&
      start + size <= disk.size;
    if (inside) continue;
    throw new PartitionTableError(
      `partition ${number} (bytes ${start} to ${start + size}) lies outside the usable part of the disk of ${disk.size} bytes`,
    );
  }
}

function regionsOf(headers: readonly (GptHeader | undefined)[], sectorBytes: number): ByteRange[] {
  const regions: ByteRange[] = [{ start: 0, size: sectorBytes }];
  for (const header of headers) {
    if (header === undefined) continue;
    const size = Math.ceil(header.entries.length / sectorBytes) * sectorBytes;
    regions.push({ start: header.lba * sectorBytes, size: sectorBytes });
    regions.push({ start: header.entriesLba * sectorBytes, size });
  }
  return regions.sort((one, other) => one.start - other.start);
}

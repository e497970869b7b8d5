import { hasBackupGpt, hasPrimaryGpt, readGpt } from './gpt.ts';
import { readMbr } from './mbr.ts';
import { decodeMbrEntries, hasMbrSignature, isProtective, isUsed, looksLikeEntries } from './mbr-sector.ts';
import type { PartitionTable } from './partition-table.ts';
import type { ReadableDisk } from './readable-disk.ts';
import { findFileSystem, SIGNATURE_BYTES } from './whole-disk-file-system.ts';

/**
 * Reads the partition table of a disk: GPT (UEFI 2.10, section 5.3), MBR with logical partitions, or none. A boot
 * sector of a file system on a whole disk is no partition table.
 *
 * @throws {PartitionTableError} when there is a table that cannot be trusted; the message says why
 */
export async function readPartitionTable(disk: ReadableDisk): Promise<PartitionTable> {
  const start = await disk.read(0, Math.min(disk.size, SIGNATURE_BYTES));
  const sector = start.subarray(0, disk.sectorSize.logical);
  if (!hasMbrSignature(sector)) {
    // Linux ignores a GPT without its protective MBR. A disk that lost only its first sector is still a whole one.
    if (await hasPrimaryGpt(disk)) {
      return addWarnings(await readGpt(disk), ['the protective MBR in sector 0 is missing; the GPT is used']);
    }
    return noTable(findFileSystem(start) === undefined ? await remainsOfGpt(disk) : []);
  }
  const entries = decodeMbrEntries(sector);
  if (looksLikeEntries(entries)) {
    if (entries.some(isProtective)) return readGptWithMbr(disk, entries.filter(isUsed).length);
    if (entries.some(isUsed) || findFileSystem(start) === undefined) return readMbr(disk, sector);
    return noTable([]);
  }
  const fileSystem = findFileSystem(start);
  if (fileSystem !== undefined) return noTable([]);
  return noTable([
    'sector 0 ends with a boot signature, but what stands in place of a partition table is none; ' +
      'the disk is taken as one without partitions',
  ]);
}

/** A disk with a blank start may have lost its table, or may have been emptied on purpose: the user must know. */
async function remainsOfGpt(disk: ReadableDisk): Promise<string[]> {
  if (!(await hasBackupGpt(disk))) return [];
  return [
    'the disk has no partition table at its start, but a sound backup GPT at its end; ' +
      'if its partitions are wanted, restore them first, with the recovery menu of gdisk',
  ];
}

async function readGptWithMbr(disk: ReadableDisk, usedEntries: number): Promise<PartitionTable> {
  const table = await readGpt(disk);
  if (usedEntries === 1) return table;
  return addWarnings(table, ['the MBR lists partitions of its own (a hybrid MBR); the GPT is used']);
}

function addWarnings(table: PartitionTable, warnings: readonly string[]): PartitionTable {
  return { ...table, warnings: [...table.warnings, ...warnings] };
}

function noTable(warnings: readonly string[]): PartitionTable {
  return { kind: 'none', id: '', partitions: [], warnings, usedBackup: false, tableRegions: [] };
}

import { crc32 } from 'node:zlib';
import { readPair, type TablePatch } from './gpt.ts';
import { headerChecksum } from './gpt-header.ts';
import type { MovedPartition, TableDestination } from './moved-table.ts';
import { movedProtectiveMbr } from './moved-mbr.ts';
import type { ReadableDisk } from './readable-disk.ts';

const PRIMARY_LBA = 1;
const PRIMARY_ENTRIES_LBA = 2;
const CRC_OFFSET = 16;

/**
 * The GPT of a disk for another disk with its partitions at other places (UEFI 2.10, section 5.3): all that the entries and
 * the header say but places stays, also what nobody here understands.
 *
 * @throws {PartitionTableError} when both tables of the source are damaged
 */
export async function movedGpt(
  source: ReadableDisk,
  partitions: readonly MovedPartition[],
  destination: TableDestination,
): Promise<TablePatch[]> {
  const { used } = await readPair(source);
  const { sectorBytes } = destination;
  const sectors = Math.floor(destination.bytes / sectorBytes);
  const entries = Buffer.alloc(Math.ceil(used.entries.length / sectorBytes) * sectorBytes);
  used.entries.copy(entries);
  for (const { number, start, size } of partitions) {
    const offset = (number - 1) * used.entrySize;
    entries.writeBigUInt64LE(BigInt(start / sectorBytes), offset + 32);
    entries.writeBigUInt64LE(BigInt((start + size) / sectorBytes - 1), offset + 40);
  }
  const entriesSectors = entries.length / sectorBytes;
  const lastLba = sectors - 1;
  const usable = { first: PRIMARY_ENTRIES_LBA + entriesSectors, last: lastLba - entriesSectors - 1 };
  const entriesChecksum = crc32(entries.subarray(0, used.entries.length));
  const header = (lba: number, alternateLba: number, entriesLba: number): Buffer => {
    const sector = Buffer.alloc(sectorBytes);
    const headerSize = used.sector.readUInt32LE(12);
    used.sector.copy(sector, 0, 0, headerSize);
    sector.writeBigUInt64LE(BigInt(lba), 24);
    sector.writeBigUInt64LE(BigInt(alternateLba), 32);
    sector.writeBigUInt64LE(BigInt(usable.first), 40);
    sector.writeBigUInt64LE(BigInt(usable.last), 48);
    sector.writeBigUInt64LE(BigInt(entriesLba), 72);
    sector.writeUInt32LE(entriesChecksum, 88);
    sector.writeUInt32LE(headerChecksum(sector, headerSize), CRC_OFFSET);
    return sector;
  };
  const backupEntriesLba = lastLba - entriesSectors;
  return [
    { start: 0, data: await movedProtectiveMbr(source, partitions, destination) },
    { start: PRIMARY_LBA * sectorBytes, data: header(PRIMARY_LBA, lastLba, PRIMARY_ENTRIES_LBA) },
    { start: PRIMARY_ENTRIES_LBA * sectorBytes, data: entries },
    { start: backupEntriesLba * sectorBytes, data: entries },
    { start: lastLba * sectorBytes, data: header(lastLba, PRIMARY_LBA, backupEntriesLba) },
  ];
}

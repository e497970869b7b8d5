import { randomUUID } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { TablePatch } from './gpt.ts';
import { headerChecksum } from './gpt-header.ts';
import { guidBytes } from './guid.ts';
import { protectiveMbr } from './mbr-sector.ts';
import type { MovedPartition, TableDestination } from './moved-table.ts';
import { type PartitionTable, PartitionTableError } from './partition-table.ts';

/** What every partitioning program writes (UEFI 2.10, section 5.3.1, demands at least 16 KiB of entries). */
const ENTRY_COUNT = 128;
const ENTRY_BYTES = 128;
const HEADER_BYTES = 92;
const REVISION = 0x0001_0000;
const CRC_OFFSET = 16;
const PRIMARY_LBA = 1;
const PRIMARY_ENTRIES_LBA = 2;
const NAME_OFFSET = 56;
const NAME_BYTES = 72;
/** In front of the disk signature and the four entries of an MBR. */
const BOOT_CODE_BYTES = 440;

/**
 * A whole GPT, made from nothing (UEFI 2.10, section 5.3), with a protective MBR. A partition without a GUID gets a random
 * one, and so does the disk.
 *
 * @param partitions at their places on the destination, in bytes
 * @param bootCode goes into the first 440 bytes
 * @throws {PartitionTableError} when a partition lies outside of what this table can hold on this disk
 */
export function newGpt(
  table: Pick<PartitionTable, 'id'>,
  partitions: readonly MovedPartition[],
  { bytes, sectorBytes }: TableDestination,
  bootCode: Uint8Array,
): TablePatch[] {
  const lastLba = Math.floor(bytes / sectorBytes) - 1;
  const entriesSectors = Math.ceil((ENTRY_COUNT * ENTRY_BYTES) / sectorBytes);
  const backupEntriesLba = lastLba - entriesSectors;
  const usable = { first: PRIMARY_ENTRIES_LBA + entriesSectors, last: backupEntriesLba - 1 };
  const entries = Buffer.alloc(entriesSectors * sectorBytes);
  for (const partition of partitions) {
    refuseOutside(partition, usable, sectorBytes);
    encodeEntry(partition, sectorBytes).copy(entries, (partition.number - 1) * ENTRY_BYTES);
  }
  const facts = {
    usable,
    sectorBytes,
    diskGuid: guidBytes(table.id === '' ? randomUUID() : table.id),
    entriesChecksum: crc32(entries.subarray(0, ENTRY_COUNT * ENTRY_BYTES)),
  };
  const mbr = Buffer.alloc(sectorBytes);
  mbr.set(bootCode.subarray(0, BOOT_CODE_BYTES));
  const primary = { lba: PRIMARY_LBA, alternateLba: lastLba, entriesLba: PRIMARY_ENTRIES_LBA };
  const backup = { lba: lastLba, alternateLba: PRIMARY_LBA, entriesLba: backupEntriesLba };
  return [
    { start: 0, data: protectiveMbr(mbr, lastLba + 1) },
    { start: PRIMARY_LBA * sectorBytes, data: encodeHeader(primary, facts) },
    { start: PRIMARY_ENTRIES_LBA * sectorBytes, data: entries },
    { start: backupEntriesLba * sectorBytes, data: entries },
    { start: lastLba * sectorBytes, data: encodeHeader(backup, facts) },
  ];
}

function refuseOutside(
  { number, start, size }: MovedPartition,
  usable: { readonly first: number; readonly last: number },
  sectorBytes: number,
): void {
  const isWhole = start % sectorBytes === 0 && size % sectorBytes === 0 && size > 0;
  const inside = start >= usable.first * sectorBytes && start + size <= (usable.last + 1) * sectorBytes;
  if (number >= 1 && number <= ENTRY_COUNT && isWhole && inside) return;
  throw new PartitionTableError(
    `partition ${number} (bytes ${start} to ${start + size}) has no place in a GPT that has room ` +
      `from byte ${usable.first * sectorBytes} to ${(usable.last + 1) * sectorBytes}`,
  );
}

/** The fields are those that `decodeEntries` of gpt.ts reads. */
function encodeEntry(partition: MovedPartition, sectorBytes: number): Buffer {
  const { start, size, type, guid = randomUUID(), name = '', attributes = '0' } = partition;
  const entry = Buffer.alloc(ENTRY_BYTES);
  guidBytes(type).copy(entry, 0);
  guidBytes(guid).copy(entry, 16);
  entry.writeBigUInt64LE(BigInt(start / sectorBytes), 32);
  entry.writeBigUInt64LE(BigInt((start + size) / sectorBytes - 1), 40);
  entry.writeBigUInt64LE(BigInt(`0x${attributes}`), 48);
  entry.write(name, NAME_OFFSET, NAME_BYTES, 'utf16le');
  return entry;
}

interface HeaderPlace {
  readonly lba: number;
  readonly alternateLba: number;
  readonly entriesLba: number;
}

interface HeaderFacts {
  readonly usable: { readonly first: number; readonly last: number };
  readonly sectorBytes: number;
  readonly diskGuid: Buffer;
  readonly entriesChecksum: number;
}

/** The fields are those that gpt-header.ts lists. */
function encodeHeader({ lba, alternateLba, entriesLba }: HeaderPlace, facts: HeaderFacts): Buffer {
  const sector = Buffer.alloc(facts.sectorBytes);
  sector.write('EFI PART', 0, 'latin1');
  sector.writeUInt32LE(REVISION, 8);
  sector.writeUInt32LE(HEADER_BYTES, 12);
  sector.writeBigUInt64LE(BigInt(lba), 24);
  sector.writeBigUInt64LE(BigInt(alternateLba), 32);
  sector.writeBigUInt64LE(BigInt(facts.usable.first), 40);
  sector.writeBigUInt64LE(BigInt(facts.usable.last), 48);
  facts.diskGuid.copy(sector, 56);
  sector.writeBigUInt64LE(BigInt(entriesLba), 72);
  sector.writeUInt32LE(ENTRY_COUNT, 80);
  sector.writeUInt32LE(ENTRY_BYTES, 84);
  sector.writeUInt32LE(facts.entriesChecksum, 88);
  sector.writeUInt32LE(headerChecksum(sector, HEADER_BYTES), CRC_OFFSET);
  return sector;
}

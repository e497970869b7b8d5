import { crc32 } from 'node:zlib';
import { formatGuid } from './guid.ts';
import type { ReadableDisk } from './readable-disk.ts';

const SIGNATURE = 'EFI PART';
/** The header without its reserved rest (UEFI 2.10, table 5.5). */
const MIN_HEADER_SIZE = 92;
const CRC_OFFSET = 16;
/** Entries are 128 bytes times a power of two; every known program writes 128. */
const MIN_ENTRY_SIZE = 128;
const MAX_ENTRY_SIZE = 4096;
/** 128 entries are usual; this is far beyond what any program makes and keeps a forged header from taking memory. */
const MAX_ENTRIES_BYTES = 4 * 1024 * 1024;

/** A sound GPT header with its entries. Places are logical block addresses (LBA), in sectors. */
export interface GptHeader {
  readonly lba: number;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly diskGuid: string;
  readonly entriesLba: number;
  readonly entryCount: number;
  readonly entrySize: number;
  /** The header's sector. */
  readonly sector: Buffer;
  readonly entries: Buffer;
}

/** A header that cannot be used, and why, as the end of a sentence. */
export interface DamagedHeader {
  readonly damage: string;
}

/**
 * Reads the header in one sector and its entries, and checks both checksums (UEFI 2.10, section 5.3.2). Says what is
 * wrong instead of throwing: there is a second header.
 */
export async function readGptHeader(disk: ReadableDisk, lba: number): Promise<GptHeader | DamagedHeader> {
  const sectorBytes = disk.sectorSize.logical;
  const sectors = Math.floor(disk.size / sectorBytes);
  if (lba < 1 || lba >= sectors) return { damage: `its place, sector ${lba}, is outside the disk` };
  const header = decodeHeader(await disk.read(lba * sectorBytes, sectorBytes), lba);
  if ('damage' in header) return header;
  const entriesBytes = header.entryCount * header.entrySize;
  const entriesSectors = Math.ceil(entriesBytes / sectorBytes);
  if (header.entriesLba < 2 || header.entriesLba + entriesSectors > sectors) {
    return { damage: `its entries at sector ${header.entriesLba} are outside the disk` };
  }
  const read = await disk.read(header.entriesLba * sectorBytes, entriesSectors * sectorBytes);
  const entries = read.subarray(0, entriesBytes);
  if (crc32(entries) !== header.sector.readUInt32LE(88)) {
    return { damage: 'the checksum of its entries does not match' };
  }
  return { ...header, entries };
}

/*
 * 0 "EFI PART"; 8 u32 revision; 12 u32 header size; 16 u32 CRC of the header with this field zero; 20 u32 reserved;
 * 24 u64 own LBA; 32 u64 alternate LBA; 40 u64 first usable LBA; 48 u64 last usable LBA; 56 GUID of the disk;
 * 72 u64 LBA of the entries; 80 u32 number of entries; 84 u32 size of an entry; 88 u32 CRC of the entries
 */
function decodeHeader(sector: Buffer, lba: number): Omit<GptHeader, 'entries'> | DamagedHeader {
  if (sector.toString('latin1', 0, 8) !== SIGNATURE) return { damage: 'its signature is missing' };
  const headerSize = sector.readUInt32LE(12);
  if (headerSize < MIN_HEADER_SIZE || headerSize > sector.length) {
    return { damage: `it claims to be ${headerSize} bytes long` };
  }
  if (headerChecksum(sector, headerSize) !== sector.readUInt32LE(CRC_OFFSET)) {
    return { damage: 'its checksum does not match' };
  }
  const entryCount = sector.readUInt32LE(80);
  const entrySize = sector.readUInt32LE(84);
  if (entrySize < MIN_ENTRY_SIZE || entrySize > MAX_ENTRY_SIZE || entrySize % MIN_ENTRY_SIZE !== 0) {
    return { damage: `it claims entries of ${entrySize} bytes` };
  }
  if (entryCount * entrySize > MAX_ENTRIES_BYTES) return { damage: `it claims ${entryCount} entries` };
  const ownLba = readLba(sector, 24);
  if (ownLba !== lba) return { damage: `it says that it belongs at sector ${ownLba}, not ${lba}` };
  return {
    lba,
    alternateLba: readLba(sector, 32),
    firstUsableLba: readLba(sector, 40),
    lastUsableLba: readLba(sector, 48),
    diskGuid: formatGuid(sector, 56),
    entriesLba: readLba(sector, 72),
    entryCount,
    entrySize,
    sector,
  };
}

/** A copy of a header's sector that stands in another place, with its checksum. */
export function moveHeader(
  header: GptHeader,
  place: { readonly lba: number; readonly alternateLba: number; readonly entriesLba: number },
): Buffer {
  const sector = Buffer.from(header.sector);
  sector.writeBigUInt64LE(BigInt(place.lba), 24);
  sector.writeBigUInt64LE(BigInt(place.alternateLba), 32);
  sector.writeBigUInt64LE(BigInt(place.entriesLba), 72);
  sector.writeUInt32LE(headerChecksum(sector, sector.readUInt32LE(12)), CRC_OFFSET);
  return sector;
}

/** The CRC of a header, computed with its own field as zero. */
export function headerChecksum(sector: Buffer, headerSize: number): number {
  const header = Buffer.from(sector.subarray(0, headerSize));
  header.writeUInt32LE(0, CRC_OFFSET);
  return crc32(header);
}

/** Addresses beyond 2^53 lose precision, and are outside every disk anyway. */
export function readLba(bytes: Buffer, offset: number): number {
  return Number(bytes.readBigUInt64LE(offset));
}

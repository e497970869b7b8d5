import { FileSystemError } from './errors.ts';

/** Bits of an entry of the file allocation table. */
export type FatKind = 12 | 16 | 32;

/** Where things stand on a FAT volume; offsets and sizes are bytes. */
export interface FatGeometry {
  readonly kind: FatKind;
  readonly sectorSize: number;
  readonly clusterSize: number;
  /** The boot sector, boot code, and on FAT32 the information sector and their backups. */
  readonly reservedBytes: number;
  readonly fatCount: number;
  readonly fatBytes: number;
  /** The one to read when they are not kept equal. */
  readonly activeFat: number;
  /** The root folder of FAT12 and FAT16 has a place and a size of its own; 0 bytes on FAT32. */
  readonly rootOffset: number;
  readonly rootBytes: number;
  /** First cluster of the root folder on FAT32; 0 on the others. */
  readonly rootCluster: number;
  readonly dataOffset: number;
  /** Clusters are numbered from 2. */
  readonly clusterCount: number;
  readonly totalBytes: number;
  /** Where the information sectors stand that FAT32 counts its free clusters in. */
  readonly infoOffsets: readonly number[];
}

export const BOOT_SECTOR_BYTES = 512;
export const DIRECTORY_ENTRY_BYTES = 32;
export const FIRST_CLUSTER = 2;
/** From these numbers of clusters on, a volume is FAT16 and not FAT12: Microsoft's fatgen103, "FAT Type Determination". */
const FAT16_MIN_CLUSTERS = 4085;
const FAT32_MAX_CLUSTERS = 0x0ffffff5;
const SECTOR_SIZES = [512, 1024, 2048, 4096];
/** ext_flags: the tables are not kept equal, and the low four bits tell the one in use. */
const NOT_MIRRORED = 0x80;
const ACTIVE_FAT_MASK = 0x0f;

/**
 * Reads the BIOS parameter block of a boot sector.
 *
 * @throws {FileSystemError} `DAMAGED` when its numbers cannot be true
 */
export function parseBootSector(sector: Buffer, deviceSize: number): FatGeometry {
  const sectorSize = sector.readUInt16LE(11);
  const sectorsPerCluster = sector.readUInt8(13);
  const fatCount = sector.readUInt8(16);
  const rootEntries = sector.readUInt16LE(17);
  const smallFat = sector.readUInt16LE(22);
  const isFat32 = smallFat === 0;
  const fatBytes = (isFat32 ? sector.readUInt32LE(36) : smallFat) * sectorSize;
  const totalBytes = (sector.readUInt16LE(19) || sector.readUInt32LE(32)) * sectorSize;
  const clusterSize = sectorsPerCluster * sectorSize;
  const reservedBytes = sector.readUInt16LE(14) * sectorSize;
  require(SECTOR_SIZES.includes(sectorSize), `sectors of ${sectorSize} bytes`);
  require(isPowerOfTwo(sectorsPerCluster), `clusters of ${sectorsPerCluster} sectors`);
  require(fatCount > 0 && fatBytes > 0 && reservedBytes > 0, 'no file allocation table');
  require(totalBytes <= deviceSize, `${totalBytes} bytes on a partition of ${deviceSize}`);

  const rootOffset = reservedBytes + fatCount * fatBytes;
  const rootBytes = Math.ceil((rootEntries * DIRECTORY_ENTRY_BYTES) / sectorSize) * sectorSize;
  const dataOffset = rootOffset + rootBytes;
  const clusterCount = Math.floor((totalBytes - dataOffset) / clusterSize);
  require(clusterCount > 0 && clusterCount < FAT32_MAX_CLUSTERS, `${clusterCount} clusters`);
  const kind = isFat32 ? 32 : clusterCount < FAT16_MIN_CLUSTERS ? 12 : 16;
  require((fatBytes * 8) / kind >=
    clusterCount + FIRST_CLUSTER, 'a table that is too short for its clusters');
  const flags = isFat32 ? sector.readUInt16LE(40) : 0;
  const activeFat = (flags & NOT_MIRRORED) === 0 ? 0 : flags & ACTIVE_FAT_MASK;
  require(activeFat < fatCount, `table ${activeFat} of ${fatCount} in use`);
  return {
    kind,
    sectorSize,
    clusterSize,
    reservedBytes,
    fatCount,
    fatBytes,
    activeFat,
    rootOffset,
    rootBytes,
    rootCluster: isFat32 ? sector.readUInt32LE(44) : 0,
    dataOffset,
    clusterCount,
    totalBytes,
    infoOffsets: isFat32 ? infoOffsetsOf(sector, sectorSize, reservedBytes) : [],
  };
}

/** Offset of a cluster on the volume. */
export function offsetOfCluster({ dataOffset, clusterSize }: FatGeometry, cluster: number): number {
  return dataOffset + (cluster - FIRST_CLUSTER) * clusterSize;
}

/** The information sector, and its copy behind the backup of the boot sector. */
function infoOffsetsOf(sector: Buffer, sectorSize: number, reservedBytes: number): number[] {
  const info = sector.readUInt16LE(48);
  const backup = sector.readUInt16LE(50);
  return [info, backup + info]
    .filter((number, index) => number !== 0 && (index === 0 || backup !== 0))
    .map((number) => number * sectorSize)
    .filter((offset) => offset + BOOT_SECTOR_BYTES <= reservedBytes);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function require(condition: boolean, contradiction: string): asserts condition {
  if (!condition) throw new FileSystemError('DAMAGED', `its boot sector tells of ${contradiction}`);
}

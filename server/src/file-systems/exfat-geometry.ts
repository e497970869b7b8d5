import { FileSystemError } from './errors.ts';

/** Where things stand on an exFAT volume; sizes and offsets are bytes. */
export interface ExfatGeometry {
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly volumeBytes: number;
  readonly fatOffset: number;
  readonly fatBytes: number;
  /** Where the first cluster is, number 2. */
  readonly heapOffset: number;
  readonly clusterCount: number;
  readonly rootCluster: number;
}

export const FIRST_CLUSTER = 2;
export const BOOT_SECTOR_BYTES = 512;
/** Boot sector, eight sectors of boot code, parameters, a reserved sector, checksums; and once more. */
export const BOOT_REGION_SECTORS = 12;
const EXTENDED_BOOT_SECTORS = 8;
const PARAMETERS_SECTOR = 9;
const CHECKSUM_SECTOR = 11;
const SIGNATURE = 'EXFAT   ';
const EXTENDED_SIGNATURE = 0xaa550000;

/** Fields of the main boot sector: "exFAT file system specification", 3.1. */
const FIELD = {
  signature: 3,
  partitionOffset: 64,
  volumeLength: 72,
  fatOffset: 80,
  fatLength: 84,
  heapOffset: 88,
  clusterCount: 92,
  rootCluster: 96,
  flags: 106,
  sectorShift: 108,
  clusterShift: 109,
  fatCount: 110,
  percentInUse: 112,
} as const;
const DIRTY = 0x0002;
const UNKNOWN_PERCENTAGE = 0xff;

/**
 * Reads a boot sector.
 *
 * @throws {FileSystemError} `DAMAGED` when its numbers cannot be true, or tell of a kind that is not known here
 */
export function parseExfatBootSector(boot: Buffer, deviceBytes: number): ExfatGeometry {
  require(boot.toString('latin1', FIELD.signature, 11) === SIGNATURE, 'another file system');
  const sectorShift = boot.readUInt8(FIELD.sectorShift);
  const clusterShift = boot.readUInt8(FIELD.clusterShift);
  require(sectorShift >= 9 && sectorShift <= 12 && sectorShift + clusterShift <= 25, 'impossible sectors');
  require(boot.readUInt8(FIELD.fatCount) === 1, 'several file allocation tables (TexFAT)');
  const sectorBytes = 2 ** sectorShift;
  const geometry = {
    sectorBytes,
    clusterBytes: 2 ** (sectorShift + clusterShift),
    volumeBytes: Number(boot.readBigUInt64LE(FIELD.volumeLength)) * sectorBytes,
    fatOffset: boot.readUInt32LE(FIELD.fatOffset) * sectorBytes,
    fatBytes: boot.readUInt32LE(FIELD.fatLength) * sectorBytes,
    heapOffset: boot.readUInt32LE(FIELD.heapOffset) * sectorBytes,
    clusterCount: boot.readUInt32LE(FIELD.clusterCount),
    rootCluster: boot.readUInt32LE(FIELD.rootCluster),
  };
  const { volumeBytes, heapOffset, clusterCount, clusterBytes, fatOffset, fatBytes } = geometry;
  require(volumeBytes <= deviceBytes, `${volumeBytes} bytes on a partition of ${deviceBytes}`);
  require(heapOffset + clusterCount * clusterBytes <= volumeBytes, `${clusterCount} clusters`);
  require(fatBytes >= (clusterCount + FIRST_CLUSTER) * 4, 'a table that is too short for its clusters');
  require(fatOffset + fatBytes <= heapOffset, 'a table among its clusters');
  return geometry;
}

/** Whether the system that used the volume last did not unmount it. */
export function isExfatDirty(boot: Buffer): boolean {
  return (boot.readUInt16LE(FIELD.flags) & DIRTY) !== 0;
}

/**
 * Writes the numbers of a geometry into a boot region, which may have had other sectors.
 *
 * @param region of the source, with its sectors
 * @param partitionOffset where the partition starts on its disk, in bytes; undefined to leave what is there
 */
export function makeBootRegion(
  region: Buffer,
  sourceSectorBytes: number,
  geometry: ExfatGeometry,
  partitionOffset: number | undefined,
): Buffer {
  const { sectorBytes, clusterBytes } = geometry;
  const made = Buffer.alloc(BOOT_REGION_SECTORS * sectorBytes);
  const carried = Math.min(sectorBytes, sourceSectorBytes);
  for (let sector = 0; sector < CHECKSUM_SECTOR; sector++) {
    region.copy(made, sector * sectorBytes, sector * sourceSectorBytes, sector * sourceSectorBytes + carried);
    const isExtended = sector >= 1 && sector <= EXTENDED_BOOT_SECTORS;
    if (!isExtended || sectorBytes === sourceSectorBytes) continue;
    // What marks the sector stands at its end, wherever that is.
    if (carried === sourceSectorBytes)
      made.fill(0, sector * sectorBytes + carried - 4, sector * sectorBytes + carried);
    made.writeUInt32LE(EXTENDED_SIGNATURE, (sector + 1) * sectorBytes - 4);
  }
  made.writeBigUInt64LE(BigInt(geometry.volumeBytes / sectorBytes), FIELD.volumeLength);
  made.writeUInt32LE(geometry.fatOffset / sectorBytes, FIELD.fatOffset);
  made.writeUInt32LE(geometry.fatBytes / sectorBytes, FIELD.fatLength);
  made.writeUInt32LE(geometry.heapOffset / sectorBytes, FIELD.heapOffset);
  made.writeUInt32LE(geometry.clusterCount, FIELD.clusterCount);
  made.writeUInt32LE(geometry.rootCluster, FIELD.rootCluster);
  made.writeUInt8(Math.log2(sectorBytes), FIELD.sectorShift);
  made.writeUInt8(Math.log2(clusterBytes / sectorBytes), FIELD.clusterShift);
  made.writeUInt8(UNKNOWN_PERCENTAGE, FIELD.percentInUse);
  if (partitionOffset !== undefined) {
    made.writeBigUInt64LE(BigInt(partitionOffset / sectorBytes), FIELD.partitionOffset);
  }
  const checksum = checksumOf(made.subarray(0, CHECKSUM_SECTOR * sectorBytes));
  for (let offset = CHECKSUM_SECTOR * sectorBytes; offset < made.length; offset += 4) {
    made.writeUInt32LE(checksum, offset);
  }
  return made;
}

/** Boot code and parameters of a boot region: what is not of the geometry, for a comparison. */
export function bootCodeOf(region: Buffer, sectorBytes: number): Buffer {
  return Buffer.concat([
    region.subarray(0, FIELD.partitionOffset),
    region.subarray(100, FIELD.sectorShift),
    region.subarray(120, BOOT_SECTOR_BYTES),
    region.subarray(PARAMETERS_SECTOR * sectorBytes, PARAMETERS_SECTOR * sectorBytes + BOOT_SECTOR_BYTES),
  ]);
}

/** Specification, 3.4: flags and the percentage in use change while mounted, and do not count. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) {
    if (index === FIELD.flags || index === FIELD.flags + 1 || index === FIELD.percentInUse) continue;
    sum = (((sum & 1) === 1 ? 0x80000000 : 0) + (sum >>> 1) + byte) >>> 0;
  }
  return sum;
}

function require(condition: boolean, contradiction: string): asserts condition {
  if (!condition) throw new FileSystemError('DAMAGED', `its boot sector tells of ${contradiction}`);
}

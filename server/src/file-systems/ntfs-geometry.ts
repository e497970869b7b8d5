import { FileSystemError } from './errors.ts';

/** Where things stand on an NTFS volume. */
export interface NtfsGeometry {
  /** In bytes: 512 or 4096. */
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  /** Of the volume, without its last sector, which repeats the boot sector. */
  readonly sectors: number;
  readonly clusters: number;
  /** First cluster of the master file table, and of its mirror. */
  readonly mftCluster: number;
  readonly mirrorCluster: number;
  /** Of a record of the master file table, and of an index, in bytes. */
  readonly recordBytes: number;
  readonly indexBytes: number;
}

export const BOOT_SECTOR_BYTES = 512;
const SIGNATURE = 'NTFS    ';

/** Fields of the boot sector: the BIOS parameter block as NTFS uses it (linux-ntfs, "$Boot"). */
const FIELD = {
  signature: 3,
  sectorBytes: 11,
  sectorsPerCluster: 13,
  hiddenSectors: 28,
  sectors: 40,
  mftCluster: 48,
  mirrorCluster: 56,
  recordSize: 64,
  indexSize: 68,
} as const;

/** Clusters of more than 64 KiB are told as an exponent of two, negated. */
const LARGEST_PLAIN_COUNT = 0x80;

/**
 * Reads a boot sector.
 *
 * @throws {FileSystemError} `DAMAGED` when its numbers cannot be true
 */
export function parseNtfsBootSector(boot: Buffer, deviceBytes: number): NtfsGeometry {
  require(boot.toString('latin1', FIELD.signature, 11) === SIGNATURE, 'another file system');
  const sectorBytes = boot.readUInt16LE(FIELD.sectorBytes);
  require([512, 1024, 2048, 4096].includes(sectorBytes), `sectors of ${sectorBytes} bytes`);
  const count = boot.readUInt8(FIELD.sectorsPerCluster);
  const sectorsPerCluster = count > LARGEST_PLAIN_COUNT ? 2 ** (256 - count) : count;
  const clusterBytes = sectorBytes * sectorsPerCluster;
  require(isPowerOfTwo(clusterBytes) && clusterBytes <= 2 ** 21, `clusters of ${clusterBytes} bytes`);
  const sectors = Number(boot.readBigUInt64LE(FIELD.sectors));
  require(sectors * sectorBytes <= deviceBytes, `${sectors} sectors on a partition of ${deviceBytes} bytes`);
  const geometry = {
    sectorBytes,
    clusterBytes,
    sectors,
    clusters: Math.floor(sectors / sectorsPerCluster),
    mftCluster: Number(boot.readBigUInt64LE(FIELD.mftCluster)),
    mirrorCluster: Number(boot.readBigUInt64LE(FIELD.mirrorCluster)),
    recordBytes: decodeSize(boot.readInt8(FIELD.recordSize), clusterBytes),
    indexBytes: decodeSize(boot.readInt8(FIELD.indexSize), clusterBytes),
  };
  const { clusters, recordBytes, mftCluster } = geometry;
  require(clusters > 0 && mftCluster < clusters, `a file table at cluster ${mftCluster} of ${clusters}`);
  require([1024, 2048, 4096].includes(recordBytes), `file records of ${recordBytes} bytes`);
  return geometry;
}

/**
 * Writes the numbers of a geometry into a boot sector. Boot code, serial number and all else stay.
 *
 * @param hiddenSectors where the partition starts on its disk, in sectors; undefined to leave what is there
 */
export function writeNtfsGeometry(
  boot: Buffer,
  geometry: NtfsGeometry,
  hiddenSectors: number | undefined,
): void {
  const { sectorBytes, clusterBytes, sectors, mftCluster, mirrorCluster, recordBytes, indexBytes } = geometry;
  const sectorsPerCluster = clusterBytes / sectorBytes;
  boot.writeUInt16LE(sectorBytes, FIELD.sectorBytes);
  boot.writeUInt8(
    sectorsPerCluster > LARGEST_PLAIN_COUNT ? 256 - Math.log2(sectorsPerCluster) : sectorsPerCluster,
    FIELD.sectorsPerCluster,
  );
  boot.writeBigUInt64LE(BigInt(sectors), FIELD.sectors);
  boot.writeBigUInt64LE(BigInt(mftCluster), FIELD.mftCluster);
  boot.writeBigUInt64LE(BigInt(mirrorCluster), FIELD.mirrorCluster);
  boot.writeInt8(encodeSize(recordBytes, clusterBytes), FIELD.recordSize);
  boot.writeInt8(encodeSize(indexBytes, clusterBytes), FIELD.indexSize);
  // The field has 32 bits. What starts beyond is not started by a BIOS, which alone needs it.
  if (hiddenSectors !== undefined && hiddenSectors < 2 ** 32) {
    boot.writeUInt32LE(hiddenSectors, FIELD.hiddenSectors);
  }
}

/** Sizes are clusters, or where they are smaller than one, a negated exponent of two. */
function decodeSize(value: number, clusterBytes: number): number {
  return value > 0 ? value * clusterBytes : 2 ** -value;
}

function encodeSize(bytes: number, clusterBytes: number): number {
  return bytes >= clusterBytes ? bytes / clusterBytes : -Math.log2(bytes);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

function require(condition: boolean, contradiction: string): asserts condition {
  if (!condition) throw new FileSystemError('DAMAGED', `its boot sector tells of ${contradiction}`);
}

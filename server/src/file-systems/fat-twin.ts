import { type Destination, SUITABLE, type Suitability, tooSmall } from './destination.ts';
import { DIRECTORY_ENTRY_BYTES, type FatGeometry, type FatKind, parseBootSector } from './fat-geometry.ts';
import { clustersNeeded, type FatNode, type FatVolume } from './fat-volume.ts';

/** Clusters that a volume of each kind may have: Microsoft's fatgen103, "FAT Type Determination". */
const CLUSTER_RANGE: Readonly<Record<FatKind, readonly [least: number, most: number]>> = {
  12: [1, 4084],
  16: [4085, 65524],
  32: [65525, 0x0ffffff4],
};
/** Larger clusters are understood by few systems. */
const MAX_CLUSTER_BYTES = 32 * 1024;
const MAX_SECTORS = 2 ** 32 - 1;
const SMALL_TOTAL = 0x1_0000;
const USUAL_ROOT_ENTRIES = 512;
const USUAL_RESERVED_32 = 32;
/** Says "no bootable system" to a BIOS: int 18h. */
const NO_BOOT_CODE = Buffer.from('cd18f4ebfd', 'hex');
const KIND_TEXT: Readonly<Record<FatKind, string>> = { 12: 'FAT12   ', 16: 'FAT16   ', 32: 'FAT32   ' };
const INFO_SECTOR = 1;
const BACKUP_SECTOR = 6;

/** What is made on a device: its geometry, and the sectors before the tables. */
export interface FatTwin {
  readonly geometry: FatGeometry;
  readonly reserved: Buffer;
}

/** A volume with the device that it is on. */
export interface FatSource {
  readonly volume: FatVolume;
  readonly size: number;
  readonly sectorBytes: number;
}

/**
 * Decides what is made on a device. On one like the source's, that is exactly the source.
 *
 * @param kinds in which order kinds are tried: the source's own, then FAT32, which every firmware reads best
 * @returns undefined when there is no room
 */
export function planFatTwin(
  source: FatSource,
  destination: Destination,
  kinds: readonly FatKind[] = [source.volume.geometry.kind, 32, 16, 12],
): FatTwin | undefined {
  const { volume, size, sectorBytes } = source;
  if (destination.bytes === size && destination.sectorBytes === sectorBytes) return volume;
  const sectorSize =
    destination.sectorBytes === sectorBytes ? volume.geometry.sectorSize : destination.sectorBytes;
  for (const kind of new Set(kinds)) {
    for (const clusterSize of clusterSizes(volume.geometry.clusterSize, sectorSize)) {
      const shape = shapeOf(volume, kind, sectorSize, clusterSize, destination.bytes);
      const [least, most] = CLUSTER_RANGE[kind];
      if (shape.clusterCount < least || shape.clusterCount > most) continue;
      if (clustersNeeded(volume, shape) > shape.clusterCount) continue;
      const reserved = reservedSectors(volume, shape);
      return { reserved, geometry: parseBootSector(reserved, destination.bytes) };
    }
  }
  return undefined;
}

/** The source's own size first, then its neighbours, the farthest last. */
function clusterSizes(preferred: number, sectorSize: number): number[] {
  const sizes: number[] = [];
  for (let size = sectorSize; size <= Math.max(MAX_CLUSTER_BYTES, preferred); size *= 2) sizes.push(size);
  const distance = (size: number): number => Math.abs(Math.log2(size / preferred));
  return sizes.sort((a, b) => distance(a) - distance(b));
}

interface Shape {
  readonly kind: FatKind;
  readonly sectorSize: number;
  readonly clusterSize: number;
  readonly reservedCount: number;
  readonly rootEntries: number;
  readonly fatSectors: number;
  readonly totalSectors: number;
  readonly clusterCount: number;
}

function shapeOf(
  { geometry, reserved, root }: FatVolume,
  kind: FatKind,
  sectorSize: number,
  clusterSize: number,
  bytes: number,
): Shape {
  const sectorsPerCluster = clusterSize / sectorSize;
  const sourceReserved = reserved.readUInt16LE(14);
  const reservedCount =
    kind === 32 && geometry.kind !== 32 ? Math.max(sourceReserved, USUAL_RESERVED_32) : sourceReserved;
  const rootEntries = kind === 32 ? 0 : rootEntriesFor(geometry, root, sectorSize);
  const rootSectors = (rootEntries * DIRECTORY_ENTRY_BYTES) / sectorSize;
  const totalSectors = Math.min(Math.floor(bytes / sectorSize), MAX_SECTORS);
  const room = totalSectors - reservedCount - rootSectors;
  // For the clusters that there would be without tables: a few sectors more than are needed.
  const fatSectors = Math.ceil((((Math.max(0, room) / sectorsPerCluster + 2) * kind) / 8 + 1) / sectorSize);
  const clusterCount = Math.floor((room - geometry.fatCount * fatSectors) / sectorsPerCluster);
  return {
    kind,
    sectorSize,
    clusterSize,
    reservedCount,
    rootEntries,
    fatSectors,
    totalSectors,
    clusterCount,
  };
}

function rootEntriesFor(geometry: FatGeometry, root: readonly FatNode[], sectorSize: number): number {
  const used = root.reduce((sum, { item }) => sum + item.slots.length, 0) / DIRECTORY_ENTRY_BYTES;
  const before = geometry.kind === 32 ? USUAL_ROOT_ENTRIES : geometry.rootBytes / DIRECTORY_ENTRY_BYTES;
  const perSector = sectorSize / DIRECTORY_ENTRY_BYTES;
  return Math.ceil(Math.max(before, used) / perSector) * perSector;
}

/** Boot sector, boot code and, on FAT32, the information sector and the backups, for a volume of that shape. */
function reservedSectors({ geometry, reserved }: FatVolume, shape: Shape): Buffer {
  const { kind, sectorSize, reservedCount } = shape;
  const target = Buffer.alloc(reservedCount * sectorSize);
  if (kind === geometry.kind) {
    const length = Math.min(geometry.sectorSize, sectorSize);
    for (let number = 0; number < reservedCount; number++) {
      const from = number * geometry.sectorSize;
      reserved.copy(target, number * sectorSize, from, from + length);
    }
    const backup = kind === 32 ? reserved.readUInt16LE(50) : 0;
    writeParameters(target, shape);
    if (backup !== 0 && backup < reservedCount) writeParameters(target.subarray(backup * sectorSize), shape);
    return target;
  }
  writeNewBootSector(target, reserved, geometry.kind, shape);
  writeParameters(target, shape);
  if (kind === 32) {
    writeInformation(target.subarray(INFO_SECTOR * sectorSize));
    target.copyWithin(BACKUP_SECTOR * sectorSize, 0, 2 * sectorSize);
  }
  return target;
}

/** The fields of the BIOS parameter block that count sectors and clusters. */
function writeParameters(sector: Buffer, shape: Shape): void {
  const { kind, sectorSize, clusterSize, reservedCount, rootEntries, fatSectors, totalSectors } = shape;
  const isSmall = kind !== 32 && totalSectors < SMALL_TOTAL;
  sector.writeUInt16LE(sectorSize, 11);
  sector.writeUInt8(clusterSize / sectorSize, 13);
  sector.writeUInt16LE(reservedCount, 14);
  sector.writeUInt16LE(rootEntries, 17);
  sector.writeUInt16LE(isSmall ? totalSectors : 0, 19);
  sector.writeUInt32LE(isSmall ? 0 : totalSectors, 32);
  if (kind === 32) {
    sector.writeUInt16LE(0, 22);
    sector.writeUInt32LE(fatSectors, 36);
    sector.writeUInt32LE(2, 44);
  } else {
    sector.writeUInt16LE(fatSectors, 22);
  }
}

/** A boot sector of another kind: maker, media, geometry of the disk, serial number and label are carried. */
function writeNewBootSector(target: Buffer, source: Buffer, from: FatKind, { kind }: Shape): void {
  const [old, own] = [from === 32 ? 64 : 36, kind === 32 ? 64 : 36];
  const codeOffset = own + 26;
  source.copy(target, 3, 3, 36);
  target.set([0xeb, codeOffset - 2, 0x90]);
  // Drive number, a reserved byte, the mark of what follows, serial number, label.
  source.copy(target, own, old, old + 18);
  target.write(KIND_TEXT[kind], own + 18, 'latin1');
  NO_BOOT_CODE.copy(target, codeOffset);
  if (kind === 32) {
    target.writeUInt16LE(INFO_SECTOR, 48);
    target.writeUInt16LE(BACKUP_SECTOR, 50);
  }
  target.writeUInt16LE(0xaa55, 510);
}

function writeInformation(sector: Buffer): void {
  sector.writeUInt32LE(0x41615252, 0);
  sector.writeUInt32LE(0x61417272, 484);
  sector.writeUInt32LE(0xaa550000, 508);
}

/** The least size of a device on which the volume keeps its kind. */
export function smallestFat(source: FatSource): number {
  const { sectorBytes, size, volume } = source;
  return Math.min(leastBytes(source, sectorBytes, [volume.geometry.kind]), size);
}

/** Found by trying. */
function leastBytes(source: FatSource, sectorBytes: number, kinds?: readonly FatKind[]): number {
  const { usedClusters, geometry } = source.volume;
  let bytes = Math.max(usedClusters * geometry.clusterSize, LEAST_BYTES);
  while (planFatTwin(source, { bytes, sectorBytes }, kinds) === undefined) bytes = Math.ceil(bytes * STEP);
  return bytes;
}

const LEAST_BYTES = 128 * 1024;
const STEP = 1.01;

/** What is told before anything is written. */
export function fatSuitability(source: FatSource, destination: Destination): Suitability {
  const twin = planFatTwin(source, destination);
  if (twin === undefined) {
    return tooSmall('FAT', leastBytes(source, destination.sectorBytes), destination);
  }
  const { geometry } = source.volume;
  if (twin.geometry === geometry) return SUITABLE;
  const changes: string[] = [];
  const { kind, clusterSize, sectorSize } = twin.geometry;
  if (kind !== geometry.kind) {
    changes.push(
      `it becomes FAT${kind}, it is FAT${geometry.kind}: the number of its clusters decides; boot code in it is not kept`,
    );
  }
  if (clusterSize !== geometry.clusterSize) {
    changes.push(`its clusters become ${clusterSize} bytes large, they are ${geometry.clusterSize}`);
  }
  if (sectorSize !== geometry.sectorSize) {
    changes.push(`its sectors become ${sectorSize} bytes large, they are ${geometry.sectorSize}`);
  }
  return { changes };
}

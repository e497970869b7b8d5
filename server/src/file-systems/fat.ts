import type { FileHandle } from 'node:fs/promises';
import {
  readAt,
  sectorSizeOfDevice,
  sizeOfDevice,
  withDevice,
  writeAt,
  writeNonZero,
} from './block-device.ts';
import type { Signature } from './blkid.ts';
import { type Destination, examineDestination, type Suitability } from './destination.ts';
import { FileSystemError } from './errors.ts';
import { type FatGeometry, offsetOfCluster } from './fat-geometry.ts';
import { type FatLayout, layOutTwin } from './fat-layout.ts';
import { type FilePlaces, type Geometries, piecesOf } from './fat-pieces.ts';
import { isDirty } from './fat-table.ts';
import { type FatSource, fatSuitability, type FatTwin, planFatTwin, smallestFat } from './fat-twin.ts';
import { verifyFat } from './fat-verify.ts';
import { type FatVolume, readVolume } from './fat-volume.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { throttled } from './progress.ts';
import { zeroRange } from './zero-range.ts';

/**
 * FAT is read and written here, not by the kernel (many servers' kernels have no vfat) and not by mtools: mtools
 * gives each file a new short name and loses the times of creation and access. Here the entries of a folder are
 * carried byte for byte, but for the number of the first cluster; only free space, deleted names and fragmentation
 * stay behind.
 */
/** FSInfo: two signatures, then how many clusters are free and where to look for them (fatgen103, "FSInfo"). */
const INFO_LEAD_SIGNATURE = 0x41615252;
const INFO_SIGNATURE_OFFSET = 484;
const INFO_SIGNATURE = 0x61417272;

/** Examines a FAT12, FAT16 or FAT32 volume. Throws {FileSystemError} `DAMAGED` when its structure is not sound. */
export async function recogniseFat(device: string, { type, uuid, label }: Signature): Promise<FileSystem> {
  const source = await readSource(device);
  const { volume, size } = source;
  const suitability = (destination: Destination): Suitability => fatSuitability(source, destination);
  return {
    type,
    uuid,
    label,
    size,
    usedBytes: volume.usedClusters * volume.geometry.clusterSize,
    smallestBytes: smallestFat(source),
    how: 'files',
    notes: notesOf(volume),
    suitability,
    create: async (destination, context) =>
      createFat(source, await examineDestination(destination, suitability), destination, context),
    copy: copyFat,
    verify: async (from, destination, context) => {
      const twin = twinOn(source, await examineDestination(destination, suitability));
      return verifyFat(volume, twin, [from, destination], context);
    },
  };
}

async function readSource(device: string): Promise<FatSource> {
  const [size, sectorBytes] = [await sizeOfDevice(device), await sectorSizeOfDevice(device)];
  return { volume: await withDevice(device, 'read', (file) => readVolume(file, size)), size, sectorBytes };
}

/** Throws {FileSystemError} `UNSUITABLE` when there is no room. */
function twinOn(source: FatSource, destination: Destination): FatTwin {
  const twin = planFatTwin(source, destination);
  if (twin !== undefined) return twin;
  throw new FileSystemError('UNSUITABLE', fatSuitability(source, destination).obstacle ?? '');
}

function notesOf({ table, lostClusters }: FatVolume): string[] {
  const notes: string[] = [];
  if (table.kind !== 12 && isDirty(table)) notes.push('it was not unmounted; its copy is marked so too');
  if (lostClusters > 0) notes.push(`${lostClusters} clusters belong to no file; they are not copied`);
  return notes;
}

async function createFat(
  source: FatSource,
  destination: Destination,
  device: string,
  { zeroed, signal }: CopyContext,
): Promise<void> {
  const twin = twinOn(source, destination);
  const { volume } = source;
  // The label stands in the root folder.
  const empty = { ...volume, root: volume.root.filter(({ item }) => item.kind === 'label') };
  // What a table says of no file is free only where it is zero.
  if (!zeroed) {
    const { sectorBytes } = destination;
    const bytes = Math.ceil(twin.geometry.dataOffset / sectorBytes) * sectorBytes;
    await zeroRange(device, 0, bytes, { signal });
  }
  await withDevice(device, 'exclusive', async (file) => {
    await writeNonZero(file, 0, twin.reserved);
    await writeStructure(file, twin, layOutTwin(empty, twin.geometry));
  });
}

async function copyFat(source: string, device: string, context: CopyContext): Promise<void> {
  const found = await readSource(source);
  const destination = { bytes: await sizeOfDevice(device), sectorBytes: await sectorSizeOfDevice(device) };
  const twin = twinOn(found, destination);
  const layout = layOutTwin(found.volume, twin.geometry);
  await withDevice(source, 'read', (from) =>
    withDevice(device, 'exclusive', async (to) => {
      await copyFiles(from, to, [found.volume.geometry, twin.geometry], layout.files, context);
      await writeStructure(to, twin, layout);
    }),
  );
  context.onProgress(layout.usedClusters * twin.geometry.clusterSize);
}

async function copyFiles(
  from: FileHandle,
  to: FileHandle,
  geometries: Geometries,
  files: readonly FilePlaces[],
  { signal, onProgress, zeroed }: CopyContext,
): Promise<void> {
  const report = throttled(onProgress);
  const write = zeroed ? writeNonZero : writeAt;
  let done = 0;
  for (const file of files) {
    for (const piece of piecesOf(file, geometries)) {
      signal?.throwIfAborted();
      await write(to, piece.to, await readAt(from, piece.from, piece.length));
      done += piece.length;
      report(done);
    }
  }
}

async function writeStructure(to: FileHandle, twin: FatTwin, layout: FatLayout): Promise<void> {
  await writeFolders(to, twin.geometry, layout);
  await writeTables(to, twin.geometry, layout.table.bytes);
  await writeCounts(to, twin, layout);
}

async function writeFolders(to: FileHandle, geometry: FatGeometry, { folders }: FatLayout): Promise<void> {
  for (const { clusters, content } of folders) {
    if (clusters.length === 0) await writeAt(to, geometry.rootOffset, content);
    let done = 0;
    for (const { first, count } of clusters) {
      // Zeros behind the last entry end the folder, whatever was there before.
      const piece = Buffer.alloc(count * geometry.clusterSize);
      content.copy(piece, 0, done);
      await writeAt(to, offsetOfCluster(geometry, first), piece);
      done += piece.length;
    }
  }
}

async function writeTables(to: FileHandle, geometry: FatGeometry, bytes: Buffer): Promise<void> {
  const { reservedBytes, fatBytes, fatCount } = geometry;
  for (let number = 0; number < fatCount; number++) {
    await writeNonZero(to, reservedBytes + number * fatBytes, bytes);
  }
}

async function writeCounts(
  to: FileHandle,
  { geometry, reserved }: FatTwin,
  layout: FatLayout,
): Promise<void> {
  for (const offset of geometry.infoOffsets) {
    const info = Buffer.from(reserved.subarray(offset, offset + 512));
    const isInfo =
      info.readUInt32LE(0) === INFO_LEAD_SIGNATURE &&
      info.readUInt32LE(INFO_SIGNATURE_OFFSET) === INFO_SIGNATURE;
    if (!isInfo) continue;
    info.writeUInt32LE(geometry.clusterCount - layout.usedClusters, INFO_SIGNATURE_OFFSET + 4);
    info.writeUInt32LE(layout.nextFree, INFO_SIGNATURE_OFFSET + 8);
    await writeAt(to, offset, info);
  }
}

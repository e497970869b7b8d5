import { sectorSizeOfDevice, sizeOfDevice, withDevice } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { type Destination, examineDestination, type Suitability, tooSmall } from './destination.ts';
import { isExfatDirty } from './exfat-geometry.ts';
import { type ExfatSource, layOutExfat, planExfat, writeExfatStructure } from './exfat-twin.ts';
import { verifyExfat } from './exfat-verify.ts';
import { type ExfatVolume, readExfatVolume } from './exfat-volume.ts';
import { copyExtents } from './extent-copy.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { partitionStart } from './partition-start.ts';

/**
 * exFAT is read and written here, as FAT is: entries of folders are carried byte for byte, but for the places of
 * contents. So all times with their time zones, attributes and what other systems added stay.
 */
export async function recogniseExfat(device: string, { type, uuid, label }: Signature): Promise<FileSystem> {
  const source = await readSource(device);
  const { volume, size } = source;
  const suitability = (destination: Destination): Suitability => suitabilityOf(source, destination);
  return {
    type,
    uuid,
    label,
    size,
    usedBytes: volume.usedClusters * volume.geometry.clusterBytes,
    smallestBytes: smallestExfat(source, await sectorSizeOfDevice(device)),
    how: 'files',
    notes: notesOf(volume),
    suitability,
    // The twin is made while it is filled.
    create: async (destination) => void (await examineDestination(destination, suitability)),
    copy: async (from, destination, context) => {
      await examineDestination(destination, suitability);
      await copyExfat(from, destination, context);
    },
    verify: verifyExfat,
  };
}

async function readSource(device: string): Promise<ExfatSource> {
  const size = await sizeOfDevice(device);
  return { size, volume: await withDevice(device, 'read', (file) => readExfatVolume(file, size)) };
}

function notesOf({ bootRegion, lostClusters }: ExfatVolume): string[] {
  const notes: string[] = [];
  if (isExfatDirty(bootRegion)) notes.push('it was not unmounted; its copy is marked so too');
  if (lostClusters > 0) notes.push(`${lostClusters} clusters belong to no file; they are not copied`);
  return notes;
}

function suitabilityOf(source: ExfatSource, destination: Destination): Suitability {
  if (!fits(source, destination))
    return tooSmall('exFAT', smallestExfat(source, destination.sectorBytes), destination);
  const { geometry } = source.volume;
  const twin = planExfat(source, destination);
  const changes: string[] = [];
  if (twin.sectorBytes !== geometry.sectorBytes) {
    changes.push(
      `its sectors become ${twin.sectorBytes} bytes large, they are ${geometry.sectorBytes}; boot code is cut`,
    );
  }
  if (twin.clusterBytes !== geometry.clusterBytes) {
    changes.push(`its clusters become ${twin.clusterBytes} bytes large, they are ${geometry.clusterBytes}`);
  }
  return { changes };
}

function fits(source: ExfatSource, destination: Destination): boolean {
  const twin = planExfat(source, destination);
  return layOutExfat(source.volume, twin).usedClusters <= twin.clusterCount;
}

const LEAST_BYTES = 1024 * 1024;
const STEP = 1.02;

/** Found by trying: the table and the map grow with the device. */
function smallestExfat(source: ExfatSource, sectorBytes: number): number {
  const { usedClusters, geometry } = source.volume;
  let bytes = LEAST_BYTES + usedClusters * geometry.clusterBytes;
  while (!fits(source, { bytes, sectorBytes })) bytes = Math.ceil((bytes * STEP) / sectorBytes) * sectorBytes;
  return sectorBytes === geometry.sectorBytes ? Math.min(bytes, source.size) : bytes;
}

async function copyExfat(from: string, device: string, context: CopyContext): Promise<void> {
  const source = await readSource(from);
  const destination = { bytes: await sizeOfDevice(device), sectorBytes: await sectorSizeOfDevice(device) };
  const layout = layOutExfat(source.volume, planExfat(source, destination));
  const partitionOffset = await partitionStart(device);
  await withDevice(from, 'read', (left) =>
    withDevice(device, 'exclusive', async (right) => {
      await copyExtents(left, right, layout.moves, context);
      await writeExfatStructure(right, source.volume, layout, { partitionOffset, zeroed: context.zeroed });
    }),
  );
  context.onProgress(source.volume.usedClusters * source.volume.geometry.clusterBytes);
}

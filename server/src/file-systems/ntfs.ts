import type { FileHandle } from 'node:fs/promises';
import { formatBytes } from '@diskferry/system/units';
import { sizeOfDevice, withDevice, writeAt } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { gapsBetween } from './cluster-set.ts';
import { type Destination, examineDestination, type Suitability, tooSmall } from './destination.ts';
import { FileSystemError } from './errors.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { type NtfsCondition, readCondition } from './ntfs-condition.ts';
import { clustersNeeded, layOutNtfs, type NtfsLayout, shapeNtfs } from './ntfs-layout.ts';
import { SYSTEM_FILE } from './ntfs-record.ts';
import { type NtfsSurvey, surveyNtfs } from './ntfs-survey.ts';
import { writeNtfsTwin } from './ntfs-twin.ts';
import { verifyNtfs } from './ntfs-verify.ts';
import { readNtfsVolume } from './ntfs-volume.ts';
import { partitionStart } from './partition-start.ts';
import { zeroRange } from './zero-range.ts';

/**
 * NTFS is copied by its own structure: the master file table is carried record by record, and only the places of the
 * contents in it change. So all that Windows keeps with a file stays, known here or not: security descriptors,
 * streams, reparse points, short names, object identifiers, encrypted and compressed contents, even record numbers.
 */
const KNOWN_VERSIONS = ['1.2', '3.0', '3.1'];

/** Examines an NTFS volume. Throws {FileSystemError} `DAMAGED` when its structure is not sound. */
export async function recogniseNtfs(device: string, { type, uuid, label }: Signature): Promise<FileSystem> {
  const size = await sizeOfDevice(device);
  const found = await withDevice(device, 'read', (file) => examine(file, size));
  const common = { type, uuid, label, size, how: 'files' } as const;
  if (found.survey === undefined) {
    const obstacles = obstaclesOf(found.condition, false);
    const suitability = (): Suitability => ({ obstacle: obstacles.join('; '), changes: [] });
    const refuse = async (destination: string): Promise<never> => {
      await examineDestination(destination, suitability);
      throw new FileSystemError('UNSUITABLE', obstacles.join('; '));
    };
    return {
      ...common,
      usedBytes: size,
      smallestBytes: size,
      notes: obstacles,
      suitability,
      create: refuse,
      copy: (_, destination) => refuse(destination),
      verify: (_, destination) => refuse(destination),
    };
  }
  const { survey, condition } = found;
  const obstacles = obstaclesOf(condition, survey.isHibernated);
  const suitability = (destination: Destination): Suitability =>
    obstacles.length > 0
      ? { obstacle: obstacles.join('; '), changes: [] }
      : suitabilityOf(survey, size, destination);
  return {
    ...common,
    usedBytes: survey.copiedClusters * survey.geometry.clusterBytes,
    smallestBytes: smallestNtfs(survey, size),
    notes: [...obstacles, ...notesOf(survey)],
    suitability,
    // The twin is made while it is filled.
    create: async (destination) => void (await examineDestination(destination, suitability)),
    copy: async (source, destination, context) => {
      const place = await examineDestination(destination, suitability);
      await copyNtfs({ survey, size, place }, source, destination, context);
    },
    verify: async (source, destination, context) => {
      const place = await examineDestination(destination, suitability);
      const layout = layOutNtfs(survey, shapeNtfs(survey, size, place));
      return verifyNtfs({ survey, layout }, source, destination, context);
    },
  };
}

interface Found {
  readonly condition: NtfsCondition;
  /** Undefined when the volume is not sound, which is no wonder in its condition. */
  readonly survey?: NtfsSurvey | undefined;
}

async function examine(device: FileHandle, size: number): Promise<Found> {
  const volume = await readNtfsVolume(device, size);
  const condition = await readCondition(device, volume);
  if (!KNOWN_VERSIONS.includes(condition.version)) {
    throw new FileSystemError('DAMAGED', `its version ${condition.version} is not known here`);
  }
  try {
    return { condition, survey: await surveyNtfs(device, volume) };
  } catch (error) {
    const isExplained = condition.isDirty || !condition.isLogClean;
    if (!(error instanceof FileSystemError) || error.code !== 'DAMAGED' || !isExplained) throw error;
    return { condition };
  }
}

/** Why nothing may be written from it yet, and what to do: what Windows still has to write would be missing. */
function obstaclesOf({ isDirty, isLogClean }: NtfsCondition, isHibernated: boolean): string[] {
  const obstacles: string[] = [];
  if (isHibernated) {
    obstacles.push(
      'Windows is hibernated in this NTFS volume, which its fast startup does too: start Windows, and shut it down ' +
        'wholly with "shutdown /s /t 0"',
    );
  }
  if (isDirty) {
    obstacles.push(
      'this NTFS volume is marked for a check: start Windows, let it check the volume with "chkdsk /f", and shut it ' +
        'down with "shutdown /s /t 0"',
    );
  }
  if (!isLogClean && !isHibernated) {
    obstacles.push(
      'this NTFS volume was not unmounted, its log has changes that only Windows can finish: start Windows, and shut ' +
        'it down wholly with "shutdown /s /t 0"',
    );
  }
  return obstacles;
}

function notesOf({ badClusters, lostClusters, shadowCopyClusters, geometry }: NtfsSurvey): string[] {
  const notes: string[] = [];
  if (shadowCopyClusters > 0) {
    const bytes = formatBytes(shadowCopyClusters * geometry.clusterBytes);
    notes.push(
      `it has shadow copies (restore points), which are lost: they live on free space too. Their files take ${bytes} ` +
        'in the copy; "vssadmin delete shadows /all" on the source saves that',
    );
  }
  if (badClusters > 0) notes.push(`${badClusters} bad clusters of its disk are good ones in the copy`);
  if (lostClusters > 0) notes.push(`${lostClusters} clusters belong to no file; they are not copied`);
  return notes;
}

function suitabilityOf(survey: NtfsSurvey, size: number, destination: Destination): Suitability {
  const { geometry, systemFiles } = survey;
  const { sectorBytes } = destination;
  const smallest = Math.min(geometry.clusterBytes, geometry.indexBytes);
  if (sectorBytes > smallest) {
    const obstacle =
      `the NTFS volume has clusters or indexes of ${smallest} bytes, ` +
      `which cannot be smaller than the sectors of the destination, ${sectorBytes} bytes`;
    return { obstacle, changes: [] };
  }
  const shape = shapeNtfs(survey, size, destination);
  const scattered = [...shape.rebuilt.keys()].find((number) => systemFiles.get(number)?.isWhole === false);
  if (scattered !== undefined) {
    const name = scattered === SYSTEM_FILE.bitmap ? '$Bitmap' : 'master file table';
    const obstacle = `the ${name} of the NTFS volume is in too many pieces to be made anew; defragment it first`;
    return { obstacle, changes: [] };
  }
  if (
    clustersNeeded(survey, shape) > shape.geometry.clusters &&
    shape.geometry.clusters !== geometry.clusters
  ) {
    return tooSmall('NTFS', smallestNtfs(survey, size, sectorBytes), destination);
  }
  if (sectorBytes === geometry.sectorBytes) return { changes: [] };
  const changes = [`its sectors become ${sectorBytes} bytes large, they are ${geometry.sectorBytes}`];
  const { recordBytes } = shape.geometry;
  if (recordBytes !== geometry.recordBytes) {
    changes.push(`its file records become ${recordBytes} bytes large, they are ${geometry.recordBytes}`);
  }
  return { changes };
}

/** A volume without any free space is copied well, but Windows can hardly start from it. */
const ROOM_TO_WORK = 1.02;

/** The least size of a device, in bytes. */
function smallestNtfs(survey: NtfsSurvey, size: number, sectorBytes = survey.geometry.sectorBytes): number {
  const { clusterBytes } = survey.geometry;
  const fits = (clusters: number): boolean => {
    const destination = { bytes: clusters * clusterBytes + clusterBytes, sectorBytes };
    const shape = shapeNtfs(survey, size, destination);
    return clustersNeeded(survey, shape) <= shape.geometry.clusters;
  };
  let clusters = Math.ceil(survey.usedClusters * ROOM_TO_WORK);
  while (!fits(clusters)) clusters += Math.max(1, Math.ceil(clusters / 10_000));
  const bytes = clusters * clusterBytes + clusterBytes;
  return sectorBytes === survey.geometry.sectorBytes ? Math.min(size, bytes) : bytes;
}

interface Copy {
  readonly survey: NtfsSurvey;
  /** Of the source. */
  readonly size: number;
  readonly place: Destination;
}

async function copyNtfs(
  { survey, size, place }: Copy,
  source: string,
  device: string,
  context: CopyContext,
): Promise<void> {
  const layout = layOutNtfs(survey, shapeNtfs(survey, size, place));
  if (!context.zeroed) await zeroUnread(survey, layout, device, context);
  const start = await partitionStart(device);
  const hiddenSectors = start === undefined ? undefined : start / place.sectorBytes;
  await withDevice(source, 'read', (from) =>
    withDevice(device, 'exclusive', (to) =>
      writeNtfsTwin({ survey, layout, from, to }, hiddenSectors, context),
    ),
  );
  context.onProgress(survey.copiedClusters * survey.geometry.clusterBytes);
}

/** Shorter pieces are written, which is quicker than to ask. */
const ZERO_BY_COMMAND_BYTES = 1024 * 1024;

/** Old data must not come up in files whose clusters are not carried, such as a paging file. */
async function zeroUnread(
  survey: NtfsSurvey,
  layout: NtfsLayout,
  device: string,
  context: CopyContext,
): Promise<void> {
  const { clusterBytes } = survey.geometry;
  const ranges = [...gapsBetween(survey.used, survey.copied)].map(({ start, count }) => ({
    offset: layout.placeOf(start) * clusterBytes,
    length: count * clusterBytes,
  }));
  for (const { offset, length } of ranges) {
    if (length >= ZERO_BY_COMMAND_BYTES) await zeroRange(device, offset, length, context);
  }
  await withDevice(device, 'exclusive', async (to) => {
    for (const { offset, length } of ranges) {
      if (length < ZERO_BY_COMMAND_BYTES) await writeAt(to, offset, Buffer.alloc(length));
    }
  });
}

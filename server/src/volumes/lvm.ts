import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { Difference } from '../compare/difference.ts';
import { bytesToMove } from '../file-systems/bytes-to-move.ts';
import { readAt, sizeOfDevice, withDevice, writeAt } from '../file-systems/block-device.ts';
import type { Signature } from '../file-systems/blkid.ts';
import { type Destination, examineDestination, type Suitability } from '../file-systems/destination.ts';
import { FileSystemError } from '../file-systems/errors.ts';
import type { CopyContext, FileSystem } from '../file-systems/file-system.ts';
import { sectorsFileSystem } from '../file-systems/sectors.ts';
import { formatBytes } from '@diskferry/system/units';
import { type ContainerDriver, contextInside, type Inside, needsOf } from './container.ts';
import { type Fit, fitVolumes } from './fit-volumes.ts';
import { differencesOfGroups } from './group-differences.ts';
import { withInnerDevice } from './inner-device.ts';
import { formatLvmText } from './lvm-text.ts';
import {
  checkGroup,
  dumpHeaders,
  dumpMetadata,
  type PhysicalVolumeFacts,
  restoreGroup,
} from './lvm-tools.ts';
import {
  copyThinPool,
  createThinPool,
  notesOfPool,
  partsOf,
  recogniseThinPool,
  type ThinContents,
  verifyThinPool,
} from './thin-contents.ts';
import { findThinPools, type PoolPlace } from './thin-pool.ts';
import { readPlainGroup } from './plain-group.ts';
import { refitGroup } from './refit-group.ts';
import { type LogicalVolume, parseVolumeGroup, type VolumeGroup } from './volume-group.ts';
import { rangesOfVolume } from './volume-ranges.ts';

/** The sector in front of the label of a physical volume, which LVM leaves to boot loaders. */
const BOOT_SECTOR_BYTES = 512;

/** A volume with what is on it. */
interface Content {
  readonly volume: LogicalVolume;
  /** The pieces of the source that it is read from. */
  readonly ranges: readonly ByteRange[];
  readonly fileSystem: FileSystem;
}

/** A volume group as it was found. */
interface Found {
  /** Without caches. */
  readonly group: VolumeGroup;
  readonly facts: PhysicalVolumeFacts;
  /** Of the volumes that lie on the device itself. */
  readonly contents: readonly Content[];
  /** The thin pools whose volumes are copied as files. */
  readonly pools: readonly ThinContents[];
  /** Why other thin pools are not: sentences. */
  readonly poolNotes: readonly string[];
  /** What becomes of caches: sentences. */
  readonly cacheNotes: readonly string[];
  readonly size: number;
}

/**
 * Examines a physical volume of LVM. Its group is recreated with its names and identifiers, and what is on its volumes is
 * copied like what is on partitions. Linear, striped and cached volumes are opened without device-mapper, thin ones with it;
 * caches are left behind. What else is made of others (snapshots, mirrors) is copied in its parts, as sectors.
 */
export const recogniseLvm: ContainerDriver = async (device, signature, inside) => {
  const { session } = inside;
  const size = await sizeOfDevice(device);
  const reading = await readPlainGroup(device, inside);
  if ('reason' in reading) {
    return sectorsFileSystem(device, signature, `this LVM volume is copied as sectors: ${reading.reason}`);
  }
  const { group, rangesOf, cacheNotes } = reading;
  const { pools, poolNotes } = await recognisePools(device, group, inside);
  const parts = new Map(pools.flatMap((pool) => [...partsOf(pool)]));
  const contents: Content[] = [];
  for (const volume of group.volumes) {
    const ranges = rangesOf.get(volume.name) ?? rangesOfVolume(group, volume);
    const plain = await withInnerDevice(device, ranges, { session }, (path) =>
      recogniseVolume(path, volume, inside),
    );
    contents.push({ volume, ranges, fileSystem: parts.get(volume.name)?.(plain) ?? plain });
  }
  const facts = await dumpHeaders(device, { session });
  const found: Found = { group, facts, contents, pools, poolNotes, cacheNotes, size };
  const suitability = (destination: Destination): Suitability => suitabilityOf(found, destination);
  return {
    type: signature.type,
    uuid: signature.uuid,
    label: group.name,
    size,
    usedBytes: sum(contents.map(({ fileSystem }) => bytesToMove(fileSystem))) + sum(pools.map(usedBytesOf)),
    smallestBytes: smallestOf(found),
    how: 'files',
    notes: notesOf(found),
    suitability,
    create: async (destination, context) => {
      await examineDestination(destination, suitability);
      await createGroup(found, destination, context);
    },
    copy: (source, destination, context) => copyGroup(found, source, destination, context),
    verify: (source, destination, context) => verifyGroup(found, source, destination, context),
  };
};

async function recognisePools(
  device: string,
  group: VolumeGroup,
  inside: Inside,
): Promise<Pick<Found, 'pools' | 'poolNotes'>> {
  const pools: ThinContents[] = [];
  const poolNotes: string[] = [];
  for (const pool of findThinPools(group)) {
    const contents = await recogniseThinPool({ device, group, pool }, inside);
    if ('reason' in contents)
      poolNotes.push(`thin pool ${pool.name} is copied as sectors: ${contents.reason}`);
    else pools.push(contents);
  }
  return { pools, poolNotes };
}

async function recogniseVolume(
  path: string,
  { partOf }: LogicalVolume,
  { recognise }: Inside,
): Promise<FileSystem> {
  if (partOf === undefined) return recognise(path);
  const signature: Signature = { type: partOf, ambiguous: false };
  return sectorsFileSystem(path, signature, `it is part of a ${partOf}, and is copied as sectors`);
}

function tailBytes({ facts, group }: Found): number {
  // A second copy of the metadata lies behind the extents.
  const behind = facts.areas.filter(({ start }) => start > group.startBytes);
  return behind.reduce((sum, { size }) => sum + size, 0);
}

function fitOn(found: Found, bytes: number): Fit {
  const { group, contents } = found;
  const needs = new Map(contents.map(({ volume, fileSystem }) => [volume.name, needsOf(fileSystem)]));
  return fitVolumes({ group, needs, bytes, tailBytes: tailBytes(found) });
}

/** The group as it will be on a device of that size. */
function groupOn(found: Found, bytes: number): VolumeGroup {
  const fit = fitOn(found, bytes);
  if ('obstacle' in fit) throw new FileSystemError('UNSUITABLE', fit.obstacle);
  return refitGroup(found.group, fit, bytes);
}

function smallestOf(found: Found): number {
  const { extentBytes, startBytes } = found.group;
  const extents = found.contents.map(({ volume, fileSystem }) => {
    const { growable, smallestBytes } = needsOf(fileSystem);
    return growable
      ? Math.min(volume.extentCount, Math.ceil(smallestBytes / extentBytes))
      : volume.extentCount;
  });
  const bytes = extents.reduce((sum, count) => sum + count, 0) * extentBytes;
  return startBytes + bytes + tailBytes(found);
}

function suitabilityOf(found: Found, { bytes, sectorBytes }: Destination): Suitability {
  const { group, contents } = found;
  const fit = fitOn(found, bytes);
  if ('obstacle' in fit) return { obstacle: fit.obstacle, changes: [] };
  const changes: string[] = [];
  for (const { volume, fileSystem } of contents) {
    const extents = fit.extents.get(volume.name) ?? 0;
    const inner = fileSystem.suitability({ bytes: extents * group.extentBytes, sectorBytes });
    if (inner.obstacle !== undefined) {
      return { obstacle: `volume ${volume.name}: ${inner.obstacle}`, changes: [] };
    }
    if (extents !== volume.extentCount) changes.push(sizeChange(group, volume, extents));
    changes.push(...inner.changes.map((change) => `volume ${volume.name}: ${change}`));
  }
  return { changes };
}

function sizeChange(
  { extentBytes }: VolumeGroup,
  { name, extentCount, segments }: LogicalVolume,
  extents: number,
): string {
  const isStriped = segments.some(({ places }) => places.length > 1);
  const striped = isStriped ? ', and is striped no more' : '';
  return `volume ${name} has ${formatBytes(extents * extentBytes)}, it had ${formatBytes(extentCount * extentBytes)}${striped}`;
}

function notesOf({ group, facts, contents, pools, poolNotes, cacheNotes }: Found): string[] {
  const byFiles = new Set(
    pools.flatMap(({ pool, thins }) => [pool.name, ...thins.map(({ volume }) => volume.name)]),
  );
  const composed = [...group.composed].filter(([name]) => !byFiles.has(name));
  const plain = contents.filter(({ volume }) => !isPartOf(volume, pools));
  const list = plain.map(
    ({ volume, fileSystem }) => `${volume.name} (${fileSystem.type}, ${fileSystem.how})`,
  );
  return [
    `it holds the volume group ${group.name}: ${list.length === 0 ? 'no plain volumes' : list.join(', ')}`,
    ...pools.flatMap(notesOfPool),
    ...poolNotes,
    ...cacheNotes,
    ...composed.map(
      ([name, kind]) => `volume ${name} is a ${kind}: what it is made of is copied as sectors, with its size`,
    ),
    ...plain
      .filter(({ volume }) => volume.partOf === undefined)
      .flatMap(({ volume, fileSystem }) => fileSystem.notes.map((note) => `volume ${volume.name}: ${note}`)),
    ...(facts.bootAreaBytes > 0 ? ['its area for boot loaders is not copied'] : []),
  ];
}

function isPartOf({ name }: LogicalVolume, pools: readonly ThinContents[]): boolean {
  return pools.some(({ pool }) => pool.metadata === name || pool.data === name);
}

async function createGroup(found: Found, destination: string, context: CopyContext): Promise<void> {
  const { facts, group: before } = found;
  const group = groupOn(found, await sizeOfDevice(destination));
  await restoreGroup(
    destination,
    {
      uuid: group.physicalVolumeUuid,
      groupName: before.name,
      metadata: formatLvmText(group.text),
      metadataCopies: facts.areas.length,
    },
    context,
  );
  await checkGroup(destination, group.name, context);
  for (const { after, fileSystem } of pairs(found, group)) {
    await withInnerDevice(destination, rangesOfVolume(group, after), context, (path) =>
      fileSystem.create(path, contextInside(context, `volume ${after.name}`, 0)),
    );
  }
  for (const contents of found.pools) {
    await createThinPool(contents, { device: destination, group, pool: contents.pool }, context);
  }
}

/** Each volume as it was and as it will be. */
function pairs({ contents }: Found, group: VolumeGroup): (Content & { readonly after: LogicalVolume })[] {
  const byName = new Map(group.volumes.map((volume) => [volume.name, volume]));
  return contents.flatMap((content) => {
    const after = byName.get(content.volume.name);
    return after === undefined ? [] : [{ ...content, after }];
  });
}

type Work<T> = (
  fileSystem: FileSystem,
  devices: { readonly from: string; readonly to: string },
  context: CopyContext,
  name: string,
) => Promise<T>;

/** Opens each volume on both sides, one after another. */
async function withEachVolume<T>(
  found: Found,
  source: string,
  destination: string,
  context: CopyContext,
  work: Work<T>,
): Promise<T[]> {
  const group = groupOn(found, await sizeOfDevice(destination));
  const results: T[] = [];
  let done = 0;
  for (const { ranges, after, fileSystem } of pairs(found, group)) {
    context.signal?.throwIfAborted();
    const { name } = after;
    const inner = contextInside(context, `volume ${name}`, done);
    const result = await withInnerDevice(source, ranges, context, (from) =>
      withInnerDevice(destination, rangesOfVolume(group, after), context, (to) =>
        work(fileSystem, { from, to }, inner, name),
      ),
    );
    results.push(result);
    done += bytesToMove(fileSystem);
  }
  return results;
}

async function copyGroup(
  found: Found,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<void> {
  const bootSector = await withDevice(source, 'read', (from) => readAt(from, 0, BOOT_SECTOR_BYTES));
  await withDevice(destination, 'exclusive', (to) => writeAt(to, 0, bootSector));
  await withEachVolume(found, source, destination, context, (fileSystem, { from, to }, inner) =>
    fileSystem.copy(from, to, inner),
  );
  await withEachPool(found, { source, destination }, context, copyThinPool);
}

/** Works on each pool on both sides, one after another. */
async function withEachPool<T>(
  found: Found,
  { source, destination }: { readonly source: string; readonly destination: string },
  context: CopyContext,
  work: (
    contents: ThinContents,
    sides: { source: PoolPlace; destination: PoolPlace },
    context: CopyContext,
  ) => Promise<T>,
): Promise<T[]> {
  const { group, contents, pools } = found;
  const made = groupOn(found, await sizeOfDevice(destination));
  const results: T[] = [];
  let done = sum(contents.map(({ fileSystem }) => bytesToMove(fileSystem)));
  for (const pool of pools) {
    const before = done;
    const inner = { ...context, onProgress: (bytes: number) => context.onProgress(before + bytes) };
    const sides = {
      source: { device: source, group, pool: pool.pool },
      destination: { device: destination, group: made, pool: pool.pool },
    };
    results.push(await work(pool, sides, inner));
    done += pool.usedBytes;
  }
  return results;
}

function usedBytesOf({ usedBytes }: ThinContents): number {
  return usedBytes;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function verifyGroup(
  found: Found,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<readonly Difference[]> {
  const expected = groupOn(found, await sizeOfDevice(destination));
  const made = parseVolumeGroup(await dumpMetadata(destination, context));
  const differences = await withEachVolume(
    found,
    source,
    destination,
    context,
    async (fileSystem, { from, to }, inner, name) => {
      const differences = await fileSystem.verify(from, to, inner);
      return differences.map((difference) => ({ ...difference, path: `${name}:${difference.path}` }));
    },
  );
  const inPools = await withEachPool(found, { source, destination }, context, verifyThinPool);
  return [...differencesOfGroups(expected, made), ...differences.flat(), ...inPools.flat()];
}

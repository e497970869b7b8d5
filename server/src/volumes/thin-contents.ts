import type { Difference } from '../compare/difference.ts';
import { formatBytes } from '@diskferry/system/units';
import { bytesToMove } from '../file-systems/bytes-to-move.ts';
import { SUITABLE } from '../file-systems/destination.ts';
import type { CopyContext, FileSystem } from '../file-systems/file-system.ts';
import { contextInside, type Inside } from './container.ts';
import { hasTarget } from './device-mapper.ts';
import {
  formatThinPool,
  type PoolPlace,
  type ThinPool,
  type ThinVolume,
  withThinPool,
  withThinVolume,
} from './thin-pool.ts';

/** Structures of an empty file system, as a share of its size: inode tables, journal. */
const STRUCTURES_SHARE = 0.03;
/** A file system writes at some places more than its files take, in chunks. */
const SCATTERED_CHUNKS = 64;

/** A pool whose volumes can be copied as files. */
export interface ThinContents {
  readonly pool: ThinPool;
  readonly thins: readonly { readonly volume: ThinVolume; readonly fileSystem: FileSystem }[];
  /** The least size of the pool's data, in bytes. */
  readonly neededBytes: number;
  readonly usedBytes: number;
}

/** Looks at the volumes of a pool, or says why they cannot be copied as files. */
export async function recogniseThinPool(
  place: PoolPlace,
  { session, recognise }: Inside,
): Promise<ThinContents | { readonly reason: string }> {
  const { pool, group } = place;
  if (!(await hasTarget('thin-pool'))) {
    return { reason: 'the kernel of this server has no dm-thin-pool, which opens it' };
  }
  const thins = await withThinPool(place, { session }, async (path) => {
    const found: { volume: ThinVolume; fileSystem: FileSystem }[] = [];
    for (const volume of pool.thins) {
      const fileSystem = await withThinVolume(path, volume, { session }, recognise);
      found.push({ volume, fileSystem });
    }
    return found;
  });
  const neededBytes = thins.reduce((sum, { fileSystem }) => sum + neededBy(fileSystem, pool), 0);
  const data = group.volumes.find(({ name }) => name === pool.data);
  const room = (data?.extentCount ?? 0) * group.extentBytes;
  if (neededBytes > room) {
    return {
      reason: `its volumes may take ${formatBytes(neededBytes)} when they share nothing, and it has ${formatBytes(room)}`,
    };
  }
  const usedBytes = thins.reduce((sum, { fileSystem }) => sum + bytesToMove(fileSystem), 0);
  return { pool, thins, neededBytes, usedBytes };
}

function neededBy({ how, size, usedBytes, smallestBytes }: FileSystem, { chunkBytes }: ThinPool): number {
  if (how === 'sectors') return size;
  const contents = Math.max(usedBytes * 1.1, how === 'files' ? smallestBytes : 0);
  return Math.ceil(Math.min(size, contents + size * STRUCTURES_SHARE + SCATTERED_CHUNKS * chunkBytes));
}

/** What stands for the two volumes of a pool: their contents come from the pool. */
export function partsOf({ pool, neededBytes }: ThinContents): Map<string, (plain: FileSystem) => FileSystem> {
  const empty = (plain: FileSystem): FileSystem => ({
    ...plain,
    how: 'recreated',
    usedBytes: 0,
    notes: [],
    suitability: () => SUITABLE,
    create: async () => {},
    copy: async () => {},
    verify: async () => [],
  });
  return new Map([
    [pool.metadata, empty],
    [pool.data, (plain) => ({ ...empty(plain), how: 'files', smallestBytes: neededBytes })],
  ]);
}

/** Sentences on the volumes of a pool. */
export function notesOfPool({ pool, thins }: ThinContents): string[] {
  const list = thins.map(
    ({ volume, fileSystem }) => `${volume.name} (${fileSystem.type}, ${fileSystem.how})`,
  );
  return [
    `${pool.name} is a thin pool: ${list.length === 0 ? 'no volumes' : list.join(', ')}`,
    ...thins
      .filter(({ volume }) => volume.origin !== undefined)
      .map(({ volume }) => `volume ${volume.name} shares no blocks with ${volume.origin} any more`),
    ...thins.flatMap(({ volume, fileSystem }) =>
      fileSystem.notes.map((note) => `volume ${volume.name}: ${note}`),
    ),
  ];
}

export async function createThinPool(
  contents: ThinContents,
  place: PoolPlace,
  context: CopyContext,
): Promise<void> {
  await formatThinPool(place, context);
  await withThinPool(place, context, async (path) => {
    for (const { volume, fileSystem } of contents.thins) {
      // What was never written reads as zeros.
      const inner = { ...contextInside(context, `volume ${volume.name}`, 0), zeroed: true };
      await withThinVolume(path, volume, context, (device) => fileSystem.create(device, inner));
    }
  });
}

interface Sides {
  readonly source: PoolPlace;
  readonly destination: PoolPlace;
}

export async function copyThinPool(
  contents: ThinContents,
  sides: Sides,
  context: CopyContext,
): Promise<void> {
  await withEachThin(contents, sides, context, (fileSystem, { from, to }, inner) =>
    fileSystem.copy(from, to, inner),
  );
}

export async function verifyThinPool(
  contents: ThinContents,
  sides: Sides,
  context: CopyContext,
): Promise<readonly Difference[]> {
  const differences = await withEachThin(
    contents,
    sides,
    context,
    async (fileSystem, { from, to }, inner, name) =>
      (await fileSystem.verify(from, to, inner)).map((difference) => ({
        ...difference,
        path: `${name}:${difference.path}`,
      })),
  );
  return differences.flat();
}

async function withEachThin<T>(
  { thins }: ThinContents,
  { source, destination }: Sides,
  context: CopyContext,
  work: (
    fileSystem: FileSystem,
    devices: { readonly from: string; readonly to: string },
    context: CopyContext,
    name: string,
  ) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  let done = 0;
  await withThinPool(source, context, (sourcePool) =>
    withThinPool(destination, context, async (destinationPool) => {
      for (const { volume, fileSystem } of thins) {
        const inner = { ...contextInside(context, `volume ${volume.name}`, done), zeroed: true };
        const result = await withThinVolume(sourcePool, volume, context, (from) =>
          withThinVolume(destinationPool, volume, context, (to) =>
            work(fileSystem, { from, to }, inner, volume.name),
          ),
        );
        results.push(result);
        done += bytesToMove(fileSystem);
      }
    }),
  );
  return results;
}

import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { FileSystemError } from '../file-systems/errors.ts';
import {
  type CachedVolume,
  findCachedVolumes,
  noteOfCache,
  rangesOfCachedVolume,
  withoutCaches,
} from './cached-volume.ts';
import type { Inside } from './container.ts';
import { dumpMetadata } from './lvm-tools.ts';
import { parseVolumeGroup, type VolumeGroup } from './volume-group.ts';
import { rangesOfVolume } from './volume-ranges.ts';

/** A group without its caches, and where their volumes are read. */
export interface PlainGroup {
  readonly group: VolumeGroup;
  /** The pieces of volumes that were cached, by name. */
  readonly rangesOf: ReadonlyMap<string, readonly ByteRange[]>;
  /** What becomes of caches: sentences. */
  readonly cacheNotes: readonly string[];
}

/** Reads the group of a physical volume, or says why its volumes cannot be told apart. */
export async function readPlainGroup(
  device: string,
  { session }: Pick<Inside, 'session'>,
): Promise<PlainGroup | { readonly reason: string }> {
  try {
    const group = parseVolumeGroup(await dumpMetadata(device, { session }));
    for (const volume of group.volumes) rangesOfVolume(group, volume);
    return await leaveCaches(device, group);
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    return { reason: error.message };
  }
}

async function leaveCaches(device: string, group: VolumeGroup): Promise<PlainGroup> {
  const left: CachedVolume[] = [];
  const rangesOf = new Map<string, readonly ByteRange[]>();
  const cacheNotes: string[] = [];
  for (const cached of findCachedVolumes(group)) {
    try {
      rangesOf.set(cached.name, await rangesOfCachedVolume(device, group, cached));
      left.push(cached);
      cacheNotes.push(noteOfCache(cached));
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      cacheNotes.push(`volume ${cached.name} is copied as sectors with its cache: ${error.message}`);
    }
  }
  return { group: left.length === 0 ? group : withoutCaches(group, left), rangesOf, cacheNotes };
}

import type { Stats } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import {
  carrySettings,
  readSuperblock,
  resumeJournal,
  suspendJournal,
} from '../file-systems/ext-superblock.ts';
import { withMount } from '../file-systems/mount.ts';
import { withFatFiles } from './fat-files.ts';

/** Files that say how a computer starts are small; a huge one of such a name is none of them. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** What boot loaders see of a file system, whatever reads it. Paths begin with "/"; FAT's are found in upper and lower case. */
export interface VolumeFiles {
  /** The names in a folder, sorted; empty when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** The contents of a file; undefined when there is none. */
  read(path: string): Promise<Buffer | undefined>;
  has(path: string): Promise<boolean>;
}

/** The kernel's driver for all ext file systems. */
const EXT = 'ext4';

/** The kernel's name for a file system, and how its whole tree is mounted without a change to it. */
const MOUNTED: Readonly<Record<string, { readonly type: string; readonly options: readonly string[] }>> = {
  ext2: { type: EXT, options: [] },
  ext3: { type: EXT, options: [] },
  ext4: { type: EXT, options: [] },
  // Source and destination have one UUID.
  xfs: { type: 'xfs', options: ['nouuid'] },
  // GRUB sees the tree from its very top, whatever subvolume is mounted by default.
  btrfs: { type: 'btrfs', options: ['subvolid=5'] },
};

/** Whether `withFolder` can show the files of such a file system. */
export function isMountable(type: string): boolean {
  return MOUNTED[type] !== undefined;
}

/** Mounts a volume of such a type while `work` runs. */
export async function withFolder<T>(
  { device, type }: { readonly device: string; readonly type: string },
  access: 'ro' | 'rw',
  { session, signal }: { readonly session: Session; readonly signal?: AbortSignal | undefined },
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const how = MOUNTED[type];
  if (how === undefined) throw new TypeError(`file systems of type ${type} are not mounted here`);
  const options = [access, 'noatime', ...how.options];
  const mounted = (): Promise<T> => withMount(session, device, { type: how.type, options, signal }, work);
  return access === 'rw' && how.type === EXT ? withoutTraces(device, mounted) : mounted();
}

/** Changes an ext file system without traces of it in the superblock (times, counts, where it was mounted) and the journal. */
async function withoutTraces<T>(device: string, work: () => Promise<T>): Promise<T> {
  const before = await readSuperblock(device);
  await suspendJournal(device);
  const result = await work();
  await resumeJournal(before, device);
  await carrySettings(before, device);
  return result;
}

/**
 * Shows the files of a volume to `work`.
 *
 * @returns undefined when nobody here can read such a file system, or this one is damaged
 */
export async function withFiles<T>(
  volume: { readonly device: string; readonly type: string },
  session: Session,
  work: (files: VolumeFiles) => Promise<T>,
): Promise<T | undefined> {
  try {
    if (volume.type === 'vfat') return await withFatFiles(volume.device, work);
    if (!isMountable(volume.type)) return undefined;
    return await withFolder(volume, 'ro', { session }, (folder) => work(filesIn(folder)));
  } catch (error) {
    if (error instanceof DiskferryError && ['DAMAGED', 'COMMAND_FAILED'].includes(error.code))
      return undefined;
    throw error;
  }
}

/** Links in the tree of a stranger may lead anywhere on this server: none is followed. */
function filesIn(root: string): VolumeFiles {
  return {
    list: async (folder) => {
      const path = await inside(root, folder);
      return path === undefined ? [] : (await readdir(path).catch((): string[] => [])).toSorted();
    },
    read: async (file) => {
      const path = await inside(root, file);
      if (path === undefined) return undefined;
      const found = await lstat(path);
      return found.isFile() && found.size <= MAX_FILE_BYTES ? readFile(path) : undefined;
    },
    has: async (file) => (await inside(root, file)) !== undefined,
  };
}

/**
 * Where a file of a mounted volume is on this server; undefined when there is none, or when a symbolic link is on the way.
 *
 * @param path from the root of the volume
 */
export async function inside(root: string, path: string): Promise<string | undefined> {
  let place = root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    place = join(place, name);
    const found: Stats | undefined = await lstat(place).catch(() => undefined);
    if (found === undefined || found.isSymbolicLink()) return undefined;
  }
  return place;
}

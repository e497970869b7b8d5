import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Session } from '@diskferry/system/session';
import { isMountable, withFiles, withFolder } from '../boot-loader/volume-files.ts';

/** An initrd with all drivers and firmware has some 200 MB. */
const MAX_FILE_BYTES = 512 * 1024 * 1024;
/** As many as the kernel follows. */
const MAX_LINKS = 40;

/** What a boot loader sees of a volume. Paths begin with "/". */
export interface BootFiles {
  /** The names in a folder; empty when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** The contents of a file; undefined when there is none. */
  read(path: string): Promise<Buffer | undefined>;
}

/**
 * Shows the files of a volume to `work`.
 *
 * @returns undefined when nobody here can read such a file system
 */
export async function withBootFiles<T>(
  volume: { readonly device: string; readonly type: string },
  session: Session,
  work: (files: BootFiles) => Promise<T>,
): Promise<T | undefined> {
  if (!isMountable(volume.type)) return withFiles(volume, session, work);
  return withFolder(volume, 'ro', { session }, async (folder) => work(linkedFiles(folder)));
}

/**
 * The files below a folder as seen by one whose root it is: symbolic links are followed, as GRUB does (Debian's `/vmlinuz` is one),
 * and never lead out of it.
 */
export function linkedFiles(root: string): BootFiles {
  return {
    list: async (folder) => {
      const place = await placeOf(root, folder);
      return place === undefined ? [] : readdir(place).catch(() => []);
    },
    read: async (path) => {
      const place = await placeOf(root, path);
      const found = place === undefined ? undefined : await lstat(place);
      if (place === undefined || found?.isFile() !== true || found.size > MAX_FILE_BYTES) return undefined;
      return readFile(place);
    },
  };
}

async function placeOf(root: string, path: string): Promise<string | undefined> {
  const names = namesOf(path);
  const way: string[] = [];
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      way.pop();
      continue;
    }
    const place = join(root, ...way, name);
    const found = await lstat(place).catch(() => undefined);
    if (found === undefined) return undefined;
    if (!found.isSymbolicLink()) {
      way.push(name);
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const target = await readlink(place);
    if (target.startsWith('/')) way.length = 0;
    names.unshift(...namesOf(target));
  }
  return join(root, ...way);
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

import { FileFacts, S_IFDIR, S_IFREG } from './file-facts.ts';
import { DT_DIR, DT_REG, DT_UNKNOWN, type FolderEntry, FolderReader } from './folder-entries.ts';
import { HardLinks, type LinkedFile } from './hard-links.ts';
import {
  AT_FDCWD,
  check,
  linux,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  SystemCallError,
} from './linux.ts';
import { NameList } from './name-list.ts';

/** An open file of the source. Whoever takes it from the walk closes it with `release`. */
interface OpenFile {
  /** With a zero at its end; empty for the root. */
  readonly name: Buffer;
  readonly file: number;
  readonly facts: FileFacts;
}

export interface FoundFolder extends OpenFile {
  readonly kind: 'folder';
}
export interface FoundFile extends OpenFile {
  /** `special`: symbolic link, device node, fifo or socket; opened by name only (O_PATH). */
  readonly kind: 'regular' | 'special';
  /** When it has more names than this one. */
  readonly linked?: LinkedFile;
  /** Where its contents lie on the device in one piece, in bytes, once it is known. */
  place?: number;
}

/** What the walk tells: what it finds, and the end of each folder after all that is in it. */
export type Found =
  | FoundFolder
  | FoundFile
  | { readonly kind: 'end of folder'; readonly folder: FoundFolder }
  /** One more name of a file that was found before. */
  | { readonly kind: 'further name'; readonly name: Buffer; readonly linked: LinkedFile }
  | { readonly kind: 'unreadable'; readonly name: Buffer; readonly error: SystemCallError };

/** Closes a file that the walk opened. */
export function release({ file, facts }: OpenFile): void {
  linux.close(file);
  facts.giveBack();
}

interface Level {
  readonly folder: FoundFolder;
  readonly subfolders: NameList;
}

/**
 * Walks through a file system: of each folder first its files in the order of their inodes, then its folders. Names
 * are opened from their folder, so that paths may be of any length. What is mounted inside is not entered.
 */
export function* walkSource(path: string): Generator<Found> {
  const reader = new FolderReader();
  const links = new HardLinks();
  const root = openFolder(AT_FDCWD, Buffer.from(`${path}\0`));
  const levels: Level[] = [];
  const enter = function* (folder: FoundFolder): Generator<Found> {
    yield folder;
    const subfolders = new NameList();
    levels.push({ folder, subfolders });
    if (folder.facts.fileSystem !== root.facts.fileSystem) return;
    try {
      for (
        let entries = reader.next(folder.file);
        entries !== undefined;
        entries = reader.next(folder.file)
      ) {
        for (const entry of entries) {
          const found = examine(folder.file, entry, links);
          if (found === undefined) subfolders.add(entry.name);
          else yield found;
        }
      }
    } catch (error) {
      yield unreadable(Buffer.from('\0'), error);
    }
  };
  yield* enter(root);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const name = level.subfolders.shift();
    if (name === undefined) {
      levels.pop();
      yield { kind: 'end of folder', folder: level.folder };
      continue;
    }
    let folder: FoundFolder;
    try {
      folder = openFolder(level.folder.file, name);
    } catch (error) {
      yield unreadable(name, error);
      continue;
    }
    yield* enter(folder);
  }
}

function unreadable(name: Buffer, error: unknown): Found {
  if (!(error instanceof SystemCallError)) throw error;
  return { kind: 'unreadable', name, error };
}

/** Opens what a folder names. Returns undefined for folders, which come later. */
function examine(folder: number, entry: FolderEntry, links: HardLinks): Found | undefined {
  if (entry.type === DT_DIR) return undefined;
  const name = Buffer.from(entry.name);
  try {
    // Old file systems do not tell the type in the folder.
    const type = entry.type === DT_UNKNOWN ? typeOf(folder, name) : entry.type;
    return type === DT_DIR ? undefined : openFile(folder, name, type === DT_REG, links);
  } catch (error) {
    return unreadable(name, error);
  }
}

function typeOf(folder: number, name: Buffer): number {
  const file = check(linux.openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0));
  try {
    const facts = FileFacts.take(file);
    const { type } = facts;
    facts.giveBack();
    if (type === S_IFDIR) return DT_DIR;
    return type === S_IFREG ? DT_REG : DT_UNKNOWN;
  } finally {
    linux.close(file);
  }
}

function openFile(folder: number, name: Buffer, isRegular: boolean, links: HardLinks): Found {
  const how = isRegular ? O_RDONLY : O_PATH;
  const open = openWith(folder, name, how);
  const { facts } = open;
  if (facts.links > 1) {
    const linked = links.find(facts);
    if (linked !== undefined) {
      release(open);
      return { kind: 'further name', name, linked };
    }
    return { kind: isRegular ? 'regular' : 'special', ...open, linked: links.add(facts) };
  }
  return { kind: isRegular ? 'regular' : 'special', ...open };
}

function openFolder(parent: number, name: Buffer): FoundFolder {
  return { kind: 'folder', ...openWith(parent, name, O_RDONLY | O_DIRECTORY) };
}

function openWith(folder: number, name: Buffer, how: number): OpenFile {
  const file = check(linux.openat(folder, name, how | O_NOFOLLOW | O_CLOEXEC, 0));
  try {
    return { name, file, facts: FileFacts.take(file) };
  } catch (error) {
    linux.close(file);
    throw error;
  }
}

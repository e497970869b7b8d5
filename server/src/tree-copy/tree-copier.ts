import { AttributeError } from './extended-attributes.ts';
import { openInside } from './copied-path.ts';
import { prefetch, ReadError } from './file-contents.ts';
import { FilePlaces } from './file-places.ts';
import {
  giveInodeAttributes,
  type InodeAttributes,
  isProtected,
  readInodeAttributes,
} from './inode-attributes.ts';
import { AT_FDCWD, AT_SYMLINK_FOLLOW, check, linux, O_PATH, O_RDONLY, SystemCallError } from './linux.ts';
import { finishFolder, makeFolder, makeRegularFile, makeSpecialFile } from './new-files.ts';
import { type Found, type FoundFile, type FoundFolder, release, walkSource } from './source-walk.ts';
import type { LinkedFile } from './hard-links.ts';

/** How far ahead of the copying files are opened and asked for: hides the way to a remote disk. */
const FILES_AHEAD = 256;
const BYTES_AHEAD = 8 * 1024 * 1024;
/** With so many there is no sense in going on. */
const MAX_PROBLEMS = 100;
const NO_FOLDER = -1;

/** What the copier tells while it works: sentences. */
export interface CopyListener {
  /** Something was not carried over exactly. */
  readonly warn: (message: string) => void;
  /** A file could not be copied. */
  readonly problem: (message: string) => void;
}

/** The destination has no room left. */
export class DestinationFullError extends Error {}

/** The two ends of a copy: mounted folders. */
export interface TreeCopy {
  readonly source: string;
  readonly destination: string;
  /** The block device of the source, where small files may be read from it: see {@link FilePlaces}. */
  readonly sourceDevice?: string | undefined;
}

/** Copies the tree of a mounted file system into another one. */
export function copyFolderTree(
  { source, destination, sourceDevice }: TreeCopy,
  listener: CopyListener,
): void {
  const places = sourceDevice === undefined ? undefined : new FilePlaces(sourceDevice);
  const copier = new TreeCopier(destination, places, listener);
  for (const found of lookAhead(walkSource(source), places)) copier.copy(found);
  copier.finish();
}

/** Passes on what the walk finds, and asks the kernel for the contents of files that come soon. */
function* lookAhead(walk: Iterable<Found>, places: FilePlaces | undefined): Generator<Found> {
  const queue: Found[] = [];
  let bytes = 0;
  for (const found of walk) {
    queue.push(found);
    if (found.kind === 'regular') {
      const place = prefetch(found.file, found.facts, places);
      if (place !== undefined) found.place = place;
    }
    bytes += bytesAhead(found);
    while (queue.length > FILES_AHEAD || bytes > BYTES_AHEAD) {
      const next = queue.shift() as Found;
      bytes -= bytesAhead(next);
      yield next;
    }
  }
  yield* queue;
}

function bytesAhead(found: Found): number {
  return found.kind === 'regular' ? found.facts.size : 0;
}

interface OpenFolder {
  /** NO_FOLDER if it could not be made: what is in it is left out. */
  readonly file: number;
  /** With a zero at its end. */
  readonly name: Buffer;
}

class TreeCopier {
  readonly #listener: CopyListener;
  readonly #destination: Buffer;
  readonly #places: FilePlaces | undefined;
  /** From the root to where the copying is. */
  readonly #folders: OpenFolder[] = [];
  /** Immutable files of several names: they can be linked no more when they are immutable. */
  readonly #protectLater: { readonly linked: LinkedFile; readonly attributes: InodeAttributes }[] = [];
  #problems = 0;

  constructor(destination: string, places: FilePlaces | undefined, listener: CopyListener) {
    this.#destination = Buffer.from(`${destination}\0`);
    this.#places = places;
    this.#listener = listener;
  }

  copy(found: Found): void {
    switch (found.kind) {
      case 'folder':
        this.#enter(found);
        break;
      case 'end of folder':
        this.#leave(found.folder);
        break;
      case 'regular':
        this.#attempt(found.name, (folder) => this.#copyRegular(folder, found));
        release(found);
        break;
      case 'special':
        this.#attempt(found.name, (folder) => {
          makeSpecialFile(folder, found);
          if (found.linked !== undefined) found.linked.path = this.#pathOf(found.name);
        });
        release(found);
        break;
      case 'further name':
        this.#attempt(found.name, (folder) => this.#link(folder, found.name, found.linked));
        break;
      case 'unreadable':
        this.#report(`cannot open '${this.#shownPath(found.name)}': ${found.error.message}`);
    }
  }

  /** Gives immutable files of several names their flags. */
  finish(): void {
    const root = check(linux.openat(AT_FDCWD, this.#destination, O_RDONLY, 0));
    for (const { linked, attributes } of this.#protectLater) {
      const file = openInside(root, linked.path as Buffer, O_RDONLY);
      this.#giveInodeAttributes(file, attributes, linked.path as Buffer);
      linux.close(file);
    }
    linux.close(root);
  }

  #enter({ name }: FoundFolder): void {
    let file = NO_FOLDER;
    if (this.#folders.length === 0) file = check(linux.openat(AT_FDCWD, this.#destination, O_RDONLY, 0));
    else this.#attempt(name, (parent) => (file = makeFolder(parent, name)));
    this.#folders.push({ file, name });
  }

  #leave(folder: FoundFolder): void {
    const { file } = this.#folders.at(-1) as OpenFolder;
    if (file !== NO_FOLDER) {
      this.#attempt(EMPTY_NAME, () => {
        finishFolder(file, folder);
        const attributes = readInodeAttributes(folder.file);
        if (attributes !== undefined) this.#giveInodeAttributes(file, attributes, this.#pathOf(EMPTY_NAME));
      });
      linux.close(file);
    }
    release(folder);
    this.#folders.pop();
  }

  #copyRegular(folder: number, found: FoundFile): void {
    const attributes = readInodeAttributes(found.file);
    const copy = makeRegularFile(folder, found, attributes, this.#places);
    if (found.linked !== undefined) found.linked.path = this.#pathOf(found.name);
    if (attributes !== undefined) {
      if (found.linked !== undefined && isProtected(attributes)) {
        this.#protectLater.push({ linked: found.linked, attributes });
      } else {
        this.#giveInodeAttributes(copy, attributes, this.#pathOf(found.name));
      }
    }
    linux.close(copy);
  }

  #giveInodeAttributes(file: number, attributes: InodeAttributes, path: Buffer): void {
    const missing = giveInodeAttributes(file, attributes);
    if (missing !== undefined)
      this.#listener.warn(`the inode flags of ${shown(path)} (${missing}) could not be kept`);
  }

  #link(folder: number, name: Buffer, { path }: LinkedFile): void {
    // Its first name could not be made, which is reported.
    if (path === undefined) return;
    const first = openInside((this.#folders[0] as OpenFolder).file, path, O_PATH);
    try {
      const open = Buffer.from(`/proc/self/fd/${first}\0`);
      check(linux.linkat(AT_FDCWD, open, folder, name, AT_SYMLINK_FOLLOW));
    } finally {
      linux.close(first);
    }
  }

  /** Does something in the innermost folder. */
  #attempt(name: Buffer, work: (folder: number) => void): void {
    const { file } = this.#folders.at(-1) as OpenFolder;
    if (file === NO_FOLDER) return;
    try {
      work(file);
    } catch (error) {
      this.#report(describe(error, this.#shownPath(name)));
    }
  }

  #report(message: string): void {
    this.#problems += 1;
    this.#listener.problem(message);
    if (this.#problems >= MAX_PROBLEMS) throw new Error('too many files could not be copied');
  }

  /** Inside the destination, with a zero at its end. */
  #pathOf(name: Buffer): Buffer {
    const slash = Buffer.from('/');
    // The root has no name.
    const folders = this.#folders.slice(1).flatMap((folder) => [folder.name.subarray(0, -1), slash]);
    return Buffer.concat([...folders, name]);
  }

  #shownPath(name: Buffer): string {
    return shown(this.#pathOf(name));
  }
}

const EMPTY_NAME = Buffer.from('\0');

/** From the root of the file system, as a person reads it. */
function shown(path: Buffer): string {
  return `/${path.subarray(0, -1).toString().replace(/\/$/, '')}`;
}

function describe(error: unknown, path: string): string {
  if (error instanceof ReadError) return `cannot read '${path}': ${error.message}`;
  if (error instanceof AttributeError) return `'${path}': ${error.message}`;
  if (!(error instanceof SystemCallError)) throw error;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    throw new DestinationFullError(`cannot write '${path}': ${error.message}`, { cause: error });
  }
  return `cannot copy '${path}': ${error.message}`;
}

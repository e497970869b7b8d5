import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { type Extent, readDataMaps, widenMap } from './data-map.ts';
import { digestFile } from './digest-file.ts';
import { type ExtendedAttributes, readExtendedAttributes } from './extended-attributes.ts';
import { type InodeFlags, readInodeFlags } from './inode-flags.ts';
import { type FoundFile, type WalkOptions, walkTree } from './walk-tree.ts';

/** Files that are read at once: hides the latency of a remote disk. */
const PARALLEL_FILES = 8;
/** What is longer is told by its hash. */
const LONGEST_FACT = 200;
/** The place of a subvolume in a snapshot, which the kernel makes up: BTRFS_EMPTY_SUBVOL_DIR_OBJECTID. */
const EMPTY_SUBVOLUME_INODE = 2n;

/** A file with all that a copy has to keep of it, its contents as a hash. */
export interface FileRecord {
  /** Path inside the tree, one character a byte; the root is ".". */
  readonly path: string;
  readonly facts: Readonly<Record<string, string>>;
  /** The same for all names of one file. */
  readonly inode: number | string;
  /** How many names the file has; folders have one. */
  readonly links: number;
}

export interface DescribeOptions extends WalkOptions {
  /** Access times change when files are read, unless the tree is mounted with noatime; true by default. */
  readonly accessTimes?: boolean;
  /** Times of creation, where a copy keeps them; false by default. */
  readonly creationTimes?: boolean;
  /** Whether extents are compressed, where a copy keeps it; false by default. */
  readonly storage?: boolean;
  /** Holes are told in this unit, in bytes: the larger one of the block sizes of both sides. 1 by default. */
  readonly holeUnit?: number;
  /** Whether the tree is a Btrfs with subvolumes, seen from its top; false by default. */
  readonly subvolumes?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of contents that were read since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads a tree, file by file, in the order of `walkTree`: names byte for byte, kinds, modes, owners, sizes, contents,
 * holes, times in ns, hard links, link targets, device numbers, all extended attributes (access control lists and
 * capabilities are some), inode flags and projects. Times of change, inode numbers and sizes of folders are left out:
 * most copies cannot and need not keep them.
 */
export async function* describeTree(
  root: string,
  options: DescribeOptions = {},
): AsyncGenerator<FileRecord[]> {
  const seen: Seen = new Set();
  let rootDevice: bigint | undefined;
  for await (const files of walkTree(root, options)) {
    options.signal?.throwIfAborted();
    rootDevice ??= files[0]?.stats.dev;
    yield await describeFiles(files, { options, seen, rootDevice });
  }
}

type Seen = Set<number | string>;

interface Walk {
  readonly options: DescribeOptions;
  /** Files with several names whose contents were read under another name. */
  readonly seen: Seen;
  readonly rootDevice: bigint | undefined;
}

async function describeFiles(files: readonly FoundFile[], walk: Walk): Promise<FileRecord[]> {
  const { options, seen, rootDevice } = walk;
  const attributes = await readExtendedAttributes(files.map(({ place }) => place));
  const withFlags = files.filter(({ stats }) => stats.isFile() || stats.isDirectory());
  const flags = await readInodeFlags(withFlags.map(({ place }) => place));
  const records = files.map((file) => {
    const key = file.place.toString('latin1');
    const facts = isMadeUp(file, options)
      ? { type: 'place of a subvolume' }
      : factsOf(file.stats, attributes.get(key), flags.get(key), options);
    const links = file.stats.isDirectory() ? 1 : Number(file.stats.nlink);
    return { path: file.path, facts, inode: inodeOf(file.stats, rootDevice), links };
  });
  const toRead: Reading[] = [];
  for (const [index, { inode, links, facts }] of records.entries()) {
    const file = files[index];
    if (file === undefined) continue;
    if (file.stats.isFile() && !(links > 1 && seen.has(inode))) toRead.push({ file, facts });
    if (links > 1) seen.add(inode);
    if (file.stats.isSymbolicLink()) {
      facts['link target'] = shortened(await readlink(file.place, 'latin1'));
    }
  }
  await readContents(toRead, options);
  return records;
}

function isMadeUp({ stats }: FoundFile, { subvolumes = false }: DescribeOptions): boolean {
  return subvolumes && stats.isDirectory() && stats.ino === EMPTY_SUBVOLUME_INODE;
}

function inodeOf({ dev, ino }: BigIntStats, rootDevice: bigint | undefined): number | string {
  // Numbers take the least memory where a million files have several names.
  return dev === rootDevice && ino < Number.MAX_SAFE_INTEGER ? Number(ino) : `${dev}:${ino}`;
}

function factsOf(
  stats: BigIntStats,
  attributes: ExtendedAttributes | undefined,
  { letters, project }: InodeFlags = { letters: '', project: 0 },
  { accessTimes = true, creationTimes = false }: DescribeOptions,
): Record<string, string> {
  const facts: Record<string, string> = {
    type: typeOf(stats),
    mode: (stats.mode & 0o7777n).toString(8),
    owner: String(stats.uid),
    group: String(stats.gid),
    'modification time': String(stats.mtimeNs),
  };
  if (stats.isFile()) facts['size'] = String(stats.size);
  if (stats.isBlockDevice() || stats.isCharacterDevice()) facts['device number'] = String(stats.rdev);
  if (accessTimes) facts['access time'] = String(stats.atimeNs);
  if (creationTimes) facts['creation time'] = String(stats.birthtimeNs);
  if (letters !== '') facts['inode flags'] = letters;
  if (project !== 0) facts['project'] = String(project);
  for (const [name, value] of attributes ?? []) facts[`attribute ${name}`] = shortened(value);
  return facts;
}

function typeOf(stats: BigIntStats): string {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symbolic link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isBlockDevice() ? 'block device' : 'character device';
}

interface Reading {
  readonly file: FoundFile;
  readonly facts: Record<string, string>;
}

async function readContents(toRead: readonly Reading[], options: DescribeOptions): Promise<void> {
  // The number of blocks does not tell: some may have been reserved and never written.
  const stored = toRead.filter(({ file }) => file.stats.size > 0n);
  const maps = await readDataMaps(stored.map(({ file }) => file.place));
  const rest = toRead.values();
  const readOneAfterAnother = async (): Promise<void> => {
    for (const { file, facts } of rest) {
      const size = Number(file.stats.size);
      const map = maps.get(file.place.toString('latin1')) ?? [{ start: 0, end: size, storage: '' }];
      facts['holes'] = mapText(map, size, options);
      facts['content'] = await contentOf(file, widenMap(map, 1, size), options);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_FILES }, readOneAfterAnother));
}

/** Tells where there is data. */
function mapText(
  map: readonly Extent[],
  size: number,
  { storage = false, holeUnit = 1 }: DescribeOptions,
): string {
  const told = storage ? map : map.map(({ start, end }) => ({ start, end, storage: '' }));
  const ranges = widenMap(told, holeUnit, size).map(
    (range) => `${range.start}-${range.end}${range.storage === '' ? '' : ` (${range.storage})`}`,
  );
  return ranges.length === 0 ? 'no data' : shortened(ranges.join(' '));
}

/** Marks a fact that makes a difference even if the other side has the same. */
export const UNREADABLE = 'cannot be read';

async function contentOf(
  { place, stats }: FoundFile,
  ranges: readonly Extent[],
  options: DescribeOptions,
): Promise<string> {
  try {
    return await digestFile(place, Number(stats.size), ranges, options);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (options.signal?.aborted === true || typeof code !== 'string' || !code.startsWith('E')) throw error;
    return `${UNREADABLE} (${code})`;
  }
}

function shortened(text: string): string {
  if (text.length <= LONGEST_FACT) return text;
  const digest = createHash('sha256').update(text, 'latin1').digest('hex');
  return `${text.slice(0, LONGEST_FACT / 2)}... (SHA-256 ${digest})`;
}

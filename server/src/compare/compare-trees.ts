import type { BigIntStats } from 'node:fs';
import { findFirstDifference } from './compare-content.ts';
import { joinMaps, readDataMap } from './data-map.ts';
import { readTree, type Tree, type TreeEntry } from './tree.ts';

export type Property =
  | 'existence'
  | 'type'
  | 'mode'
  | 'owner'
  | 'group'
  | 'size'
  | 'content'
  | 'holes'
  | 'modification time'
  | 'access time'
  | 'device number'
  | 'link target'
  | 'hard links'
  | 'inode flags'
  | 'project'
  | `attribute ${string}`;

/** One property of one file that is not the same on both sides. */
export interface Difference {
  /** Path inside the trees, one character a byte. */
  readonly path: string;
  readonly property: Property;
  readonly left: string;
  readonly right: string;
}

export interface CompareOptions {
  /** Access times change when files are read, unless both sides are mounted with noatime. */
  readonly accessTimes?: boolean;
}

/**
 * Compares two trees in every property that a copy of a file system has to keep: names byte for byte, kinds, modes,
 * owners, sizes, contents, holes, times in ns, hard links, link targets, device numbers, all extended attributes
 * (access control lists and capabilities are some), inode flags and projects. Times of change, inode numbers and
 * sizes of folders are not compared: a copy cannot and need not keep them.
 */
export async function compareTrees(
  leftFolder: string,
  rightFolder: string,
  { accessTimes = true }: CompareOptions = {},
): Promise<Difference[]> {
  const left = await readTree(leftFolder);
  const right = await readTree(rightFolder);
  const leftLinks = firstNames(left);
  const rightLinks = firstNames(right);
  const differences: Difference[] = [];
  for (const name of [...new Set([...left.keys(), ...right.keys()])].sort()) {
    const [a, b] = [left.get(name), right.get(name)];
    if (a === undefined || b === undefined) {
      differences.push({ path: name, property: 'existence', left: presence(a), right: presence(b) });
      continue;
    }
    differences.push(
      ...compareFacts(name, factsOf(a, leftLinks, accessTimes), factsOf(b, rightLinks, accessTimes)),
      ...(await compareContents(name, a, b)),
    );
  }
  return differences;
}

function presence(entry: TreeEntry | undefined): string {
  return entry === undefined ? 'missing' : 'exists';
}

type Facts = ReadonlyMap<Property, string>;

function factsOf(
  { stats, target, attributes, flags, project }: TreeEntry,
  links: Links,
  atime: boolean,
): Facts {
  const facts = new Map<Property, string>([
    ['type', typeOf(stats)],
    ['mode', (stats.mode & 0o7777n).toString(8)],
    ['owner', String(stats.uid)],
    ['group', String(stats.gid)],
    ['size', stats.isFile() ? String(stats.size) : ''],
    ['modification time', String(stats.mtimeNs)],
    ['device number', String(stats.rdev)],
    ['link target', target],
    ['hard links', links.get(inodeOf(stats)) ?? ''],
    ['inode flags', flags],
    ['project', String(project)],
  ]);
  if (atime) facts.set('access time', String(stats.atimeNs));
  for (const [name, value] of attributes) facts.set(`attribute ${name}`, value);
  return facts;
}

function compareFacts(path: string, left: Facts, right: Facts): Difference[] {
  // What is of another kind differs in so much else that only the kind is worth telling.
  const different = left.get('type') !== right.get('type');
  const properties = different ? (['type'] as const) : new Set([...left.keys(), ...right.keys()]);
  return [...properties]
    .map((property) => ({
      path,
      property,
      left: left.get(property) ?? 'missing',
      right: right.get(property) ?? 'missing',
    }))
    .filter((difference) => difference.left !== difference.right);
}

async function compareContents(path: string, left: TreeEntry, right: TreeEntry): Promise<Difference[]> {
  if (!left.stats.isFile() || !right.stats.isFile() || left.stats.size !== right.stats.size) return [];
  const size = Number(left.stats.size);
  if (!mayHaveHoles(left.stats) && !mayHaveHoles(right.stats) && left.stats.blocks === right.stats.blocks) {
    return contentDifference(
      path,
      await findFirstDifference(left.path, right.path, [{ start: 0, end: size }]),
    );
  }
  const maps = [await readDataMap(left.path), await readDataMap(right.path)] as const;
  const [leftMap, rightMap] = maps.map((map) => map.map(({ start, end }) => `${start}-${end}`).join(' '));
  const holes: Difference[] =
    leftMap === rightMap ? [] : [{ path, property: 'holes', left: `${leftMap}`, right: `${rightMap}` }];
  const ranges = joinMaps(...maps, size);
  return [...holes, ...contentDifference(path, await findFirstDifference(left.path, right.path, ranges))];
}

function contentDifference(path: string, place: number | undefined): Difference[] {
  if (place === undefined) return [];
  return [{ path, property: 'content', left: `byte ${place}`, right: 'is another' }];
}

/** st_blocks counts units of 512 bytes whatever the block size is (stat(2)). */
function mayHaveHoles({ size, blocks }: BigIntStats): boolean {
  return blocks * 512n < size;
}

/** The first name of each file that has several, by its inode. */
type Links = ReadonlyMap<string, string>;

function firstNames(tree: Tree): Links {
  const links = new Map<string, string>();
  for (const [name, { stats }] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const inode = inodeOf(stats);
    if (!links.has(inode)) links.set(inode, name);
  }
  return links;
}

function inodeOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function typeOf(stats: BigIntStats): string {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symbolic link';
  if (stats.isFIFO()) return 'fifo';
  if (stats.isSocket()) return 'socket';
  return stats.isBlockDevice() ? 'block device' : 'character device';
}

import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { readInodeFlags } from '../file-systems/inode-flags.ts';
import { type ExtendedAttributes, readExtendedAttributes } from './extended-attributes.ts';

/** Files for one call of a program that reads attributes: bounds its output. */
const BATCH = 1000;

/** A file of any kind with all that can be known without reading its contents. */
export interface TreeEntry {
  readonly path: Buffer;
  readonly stats: BigIntStats;
  /** Target of a symbolic link, one character a byte; empty for the other kinds. */
  readonly target: string;
  readonly attributes: ExtendedAttributes;
  /** Letters of chattr. */
  readonly flags: string;
  readonly project: number;
}

/** The files of a folder by their path inside it, one character a byte; the folder itself is ".". */
export type Tree = ReadonlyMap<string, TreeEntry>;

interface Found {
  readonly name: string;
  readonly path: Buffer;
  readonly stats: BigIntStats;
  readonly target: string;
}

/** Reads a tree without crossing into other file systems. */
export async function readTree(root: string): Promise<Tree> {
  const tree = new Map<string, TreeEntry>();
  let batch: Found[] = [];
  const flush = async (): Promise<void> => {
    for (const [name, entry] of await withAttributes(batch)) tree.set(name, entry);
    batch = [];
  };
  for await (const found of walk(Buffer.from(root))) {
    batch.push(found);
    if (batch.length >= BATCH) await flush();
  }
  await flush();
  return tree;
}

async function* walk(root: Buffer): AsyncGenerator<Found> {
  const rootStats = await lstat(root, { bigint: true });
  const folders = [{ path: root, prefix: '' }];
  yield { name: '.', path: root, stats: rootStats, target: '' };
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of (await readdir(folder.path, { encoding: 'buffer' })).sort((a, b) => a.compare(b))) {
      const path = Buffer.concat([folder.path, Buffer.from('/'), name]);
      // Before anything reads it, because reading changes the access time.
      const stats = await lstat(path, { bigint: true });
      const inside = folder.prefix + name.toString('latin1');
      if (stats.isDirectory() && stats.dev === rootStats.dev) folders.push({ path, prefix: `${inside}/` });
      const target = stats.isSymbolicLink() ? (await readlink(path, 'buffer')).toString('latin1') : '';
      yield { name: inside, path, stats, target };
    }
  }
}

async function withAttributes(batch: readonly Found[]): Promise<[string, TreeEntry][]> {
  if (batch.length === 0) return [];
  const attributes = await readExtendedAttributes(batch.map(({ path }) => path));
  const withFlags = batch.filter(({ stats }) => stats.isFile() || stats.isDirectory());
  const flags = withFlags.length === 0 ? [] : await readInodeFlags(withFlags.map(({ path }) => path));
  const flagsOf = new Map(flags.map((found) => [found.path.toString('latin1'), found]));
  return batch.map(({ name, path, stats, target }) => {
    const key = path.toString('latin1');
    const { letters = '', project = 0 } = flagsOf.get(key) ?? {};
    return [
      name,
      { path, stats, target, attributes: attributes.get(key) ?? new Map(), flags: letters, project },
    ];
  });
}

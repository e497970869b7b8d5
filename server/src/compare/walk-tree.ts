import type { BigIntStats } from 'node:fs';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';

/** Files that are looked at together: bounds the memory, and the output of a program that is asked about them. */
const BATCH = 500;
/** Files of one folder whose facts are asked for at once, which hides the latency of a remote disk. */
const AHEAD = 64;
/** The kernel takes paths of 4096 bytes; from here on, a folder is opened and named by its descriptor. */
const LONGEST_PATH = 2048;

/** A file of any kind. */
export interface FoundFile {
  /** Path inside the tree, one character a byte; the root is ".". */
  readonly path: string;
  /** Where the file is found, until the next batch is asked for. */
  readonly place: Buffer;
  readonly stats: BigIntStats;
}

export interface WalkOptions {
  /** Whether to stay out of other file systems and, on Btrfs, of other subvolumes; true by default. */
  readonly oneFileSystem?: boolean;
}

/** A folder that is being walked through. */
interface Frame {
  /** Path inside the tree with a slash behind it; empty for the root. */
  readonly prefix: string;
  /** Path for the kernel, one character a byte. */
  readonly place: string;
  readonly handle: FileHandle | undefined;
  readonly names: readonly string[];
  next: number;
  ahead: FoundFile[];
}

/**
 * Walks through a tree, however large or deep, and yields every file before what is in it, the names of a folder in
 * the order of their bytes. So two trees that are equal come in the same order, which is that of `comparePaths`.
 */
export async function* walkTree(
  root: string,
  { oneFileSystem = true }: WalkOptions = {},
): AsyncGenerator<FoundFile[]> {
  const rootPlace = Buffer.from(root).toString('latin1');
  const rootStats = await lstat(root, { bigint: true });
  let batch: FoundFile[] = [{ path: '.', place: Buffer.from(root), stats: rootStats }];
  const frames: Frame[] = [await enter('', rootPlace)];
  // Files of the batch are found by the descriptors of their folders.
  let left: Frame[] = [];
  try {
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      const found = await nextFile(frame);
      if (found === undefined) {
        frames.pop();
        left.push(frame);
        continue;
      }
      batch.push(found);
      const { stats, path, place } = found;
      if (stats.isDirectory() && (!oneFileSystem || stats.dev === rootStats.dev)) {
        frames.push(await enter(`${path}/`, place.toString('latin1')));
      }
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
      await closeAll(left);
      left = [];
    }
    if (batch.length > 0) yield batch;
  } finally {
    await closeAll([...left, ...frames]);
  }
}

/** The order in which `walkTree` yields: a folder stands before what is in it, and that before its other neighbours. */
export function comparePaths(left: string, right: string): number {
  if (left === right) return 0;
  if (left === '.' || right === '.') return left === '.' ? -1 : 1;
  return sortKey(left) < sortKey(right) ? -1 : 1;
}

/** No name has a byte 0, so it may stand for the slash that comes before all other bytes. */
function sortKey(path: string): string {
  return path.replaceAll('/', '\0');
}

async function enter(prefix: string, place: string): Promise<Frame> {
  const handle = place.length > LONGEST_PATH ? await open(Buffer.from(place, 'latin1'), 'r') : undefined;
  // Other programs are asked about these files too, so it is not /proc/self.
  const short = handle === undefined ? place : `/proc/${process.pid}/fd/${handle.fd}`;
  const names = await readdir(Buffer.from(`${short}/`, 'latin1'), { encoding: 'latin1' });
  return { prefix, place: short, handle, names: names.sort(byBytes), next: 0, ahead: [] };
}

function byBytes(left: string, right: string): number {
  return left < right ? -1 : 1;
}

async function nextFile(frame: Frame): Promise<FoundFile | undefined> {
  if (frame.ahead.length === 0) {
    const names = frame.names.slice(frame.next, frame.next + AHEAD);
    frame.next += names.length;
    // Before anything reads them, because reading changes the access time.
    const found = await Promise.all(names.map((name) => lookAt(frame, name)));
    frame.ahead = found.toReversed();
  }
  return frame.ahead.pop();
}

async function lookAt({ prefix, place }: Frame, name: string): Promise<FoundFile> {
  const path = Buffer.from(`${place}/${name}`, 'latin1');
  return { path: prefix + name, place: path, stats: await lstat(path, { bigint: true }) };
}

async function closeAll(frames: readonly Frame[]): Promise<void> {
  for (const { handle } of frames) await handle?.close();
}

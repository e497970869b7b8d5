import { readdir } from 'node:fs/promises';
import { run } from '@diskferry/system/run';

/**
 * The flags that a user sets, by the letters of chattr(1). The others (e, E, h, I, N, V, B, Z, X) say how the file
 * is stored, and follow from the file system.
 */
const NOT_SETTABLE = /[^acdijmsStuxADPT]/g;
/** Files for one lsattr: bounds its output and the memory here. */
const BATCH = 2000;
/** xargs ends with this when a command ended with 1 to 125: the file is on a file system without flags. */
const XARGS_SOME_FAILED = 123;

export interface InodeFlags {
  readonly path: Buffer;
  /** The letters that are set, in the order of lsattr, without those that say how the file is stored. */
  readonly letters: string;
  /** Number of the project that the file counts for; 0 is none. */
  readonly project: number;
}

/** Reads the inode flags of regular files and folders. Other kinds of files have none. */
export async function readInodeFlags(paths: readonly Buffer[], signal?: AbortSignal): Promise<InodeFlags[]> {
  const { stdout } = await run(['xargs', '-0', 'lsattr', '-d', '-p'], {
    input: nullTerminated(paths),
    okExitCodes: [0, XARGS_SOME_FAILED],
    encoding: 'latin1',
    signal,
  });
  return parseInodeFlags(stdout, paths);
}

/**
 * Reads lines of `lsattr -d -p`, such as "    0 ----i---------e------- /etc/file". A name may hold newlines, so the
 * paths that were asked for lead through the output, in their order. Those that are missing have no flags.
 */
export function parseInodeFlags(output: string, paths: readonly Buffer[]): InodeFlags[] {
  const head = /\s*(\d+) ([-\w]+) /y;
  const found: InodeFlags[] = [];
  let position = 0;
  for (const path of paths) {
    head.lastIndex = position;
    const match = head.exec(output);
    const text = `${path.toString('latin1')}\n`;
    if (match === null || !output.startsWith(text, head.lastIndex)) continue;
    position = head.lastIndex + text.length;
    const letters = (match[2] ?? '').replaceAll(NOT_SETTABLE, '');
    found.push({ path, letters, project: Number(match[1]) });
  }
  return found;
}

/** The regular files and folders of a tree, its root first, in handy numbers. */
export async function* batchesOfFiles(root: Buffer, size = BATCH): AsyncGenerator<Buffer[]> {
  let batch: Buffer[] = [root];
  const folders: Buffer[] = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
      if (!entry.isDirectory() && !entry.isFile()) continue;
      const path = Buffer.concat([folder, Buffer.from('/'), entry.name]);
      if (entry.isDirectory()) folders.push(path);
      batch.push(path);
      if (batch.length < size) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

export function nullTerminated(paths: readonly Buffer[]): Buffer {
  return Buffer.concat(paths.flatMap((path) => [path, Buffer.alloc(1)]));
}

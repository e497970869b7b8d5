import { rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '@diskferry/system/run';
import { FileSystemError } from './errors.ts';
import type { CopyContext } from './file-system.ts';
import { carryInodeFlags } from './inode-flags.ts';
import { holdWhileRunning } from './held-process.ts';
import { carrySkippedAttributes } from './skipped-attributes.ts';

const PROGRESS_INTERVAL_MS = 250;

/**
 * GNU cp, because it alone keeps everything: it finds holes with SEEK_HOLE, where rsync reads every zero of a
 * sparse file (a file of 1 TB takes an hour) and then makes holes of zeros that were data; tar leaves out sockets.
 * It reads the files of a folder in the order of their inodes, which is the order on the disk.
 */
const CP = [
  'cp',
  '--recursive',
  '--no-dereference',
  '--one-file-system',
  // Named one by one: with --archive or "all", cp is silent about extended attributes that it cannot keep.
  '--preserve=mode,ownership,timestamps,links,xattr',
  '--sparse=auto',
  '--reflink=never',
] as const;

/** What a driver adds to the copy of the files. */
export interface CopyTreeOptions {
  /** Carries what only this kind of file system has. Runs when all files are copied and may still be changed. */
  readonly carryMore?: () => Promise<void>;
}

/**
 * Copies a mounted file system into another, empty one: files of every kind with owners, modes, times, extended
 * attributes, access control lists, hard links, holes and inode flags, and the attributes of the root folder.
 *
 * @throws {FileSystemError} `READ_FAILED` naming the file, `DESTINATION_FULL`
 */
export async function copyTree(
  source: string,
  destination: string,
  context: CopyContext,
  { carryMore }: CopyTreeOptions = {},
): Promise<void> {
  const { session, signal } = context;
  await removeUnwantedLostAndFound(source, destination);
  const held = holdWhileRunning(session, 'cp');
  const emptyBytes = await bytesInUse(destination);
  const report = async (): Promise<void> => {
    // The folder may be unmounted while a last report is under way.
    const bytes = await bytesInUse(destination).catch(() => undefined);
    if (bytes !== undefined) context.onProgress(Math.max(0, bytes - emptyBytes));
  };
  const timer = setInterval(() => void report(), PROGRESS_INTERVAL_MS);
  try {
    await run([...CP, `${source}/.`, `${destination}/`], { signal, onStart: held.start });
  } catch (error) {
    throw explain(error, source, destination);
  } finally {
    clearInterval(timer);
    held.end();
  }
  await carrySkippedAttributes(source, destination, context);
  await carryMore?.();
  // Last, because an immutable file can be neither linked nor changed.
  await carryInodeFlags(source, destination, context);
  // A write error that comes late must not be lost in umount.
  await run(['sync', '--file-system', destination], { signal });
  await report();
}

async function removeUnwantedLostAndFound(source: string, destination: string): Promise<void> {
  const exists = await stat(join(source, 'lost+found')).then(
    () => true,
    () => false,
  );
  if (!exists) await rmdir(join(destination, 'lost+found')).catch(() => {});
}

async function bytesInUse(folder: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(folder);
  return (blocks - bfree) * bsize;
}

function explain(error: unknown, source: string, destination: string): unknown {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') return error;
  const lines = error.stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => pathsInside(line.replace(/^cp: /, ''), source, destination));
  const full = lines.find((line) => line.endsWith('No space left on device'));
  if (full !== undefined) {
    const message = `the destination is full, the files do not fit into it (${full})`;
    return new FileSystemError('DESTINATION_FULL', message, { cause: error });
  }
  const [first = 'cp said nothing', ...others] = lines;
  const more = others.length > 0 ? `, and ${others.length} more problems` : '';
  return new FileSystemError('READ_FAILED', `not all files could be copied: ${first}${more}`, {
    cause: error,
  });
}

/** Nobody knows the mount points of this server: what counts is the path inside the file system. */
function pathsInside(line: string, source: string, destination: string): string {
  return [`${source}/.`, `${destination}/.`, source, destination].reduce(
    (text, folder) => text.replaceAll(folder, ''),
    line,
  );
}

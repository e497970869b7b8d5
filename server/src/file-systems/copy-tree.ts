import { rmdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '@diskferry/system/run';
import { FileSystemError } from './errors.ts';
import type { CopyContext } from './file-system.ts';
import { EXIT_CODES } from '../tree-copy/exit-codes.ts';
import { holdWhileRunning } from './held-process.ts';

const PROGRESS_INTERVAL_MS = 250;

const COPIER = join(import.meta.dirname, '../tree-copy/main.ts');
/** The copier makes much garbage and keeps little: a small nursery keeps its memory small. */
const NODE_OPTIONS = ['--max-semi-space-size=2'] as const;

/** Two mounted file systems. */
export interface TreeEnds {
  readonly source: string;
  /** Empty. */
  readonly destination: string;
  /** The block device of the source, which is mounted read-only: small files that lie in a row are read from it at once. */
  readonly sourceDevice: string;
}

/**
 * Copies a mounted file system into another: files of every kind with owners, modes, times, extended
 * attributes, access control lists, hard links, holes and inode flags, and the attributes of the root folder.
 * For ext2, ext3, ext4 and XFS, whose addresses are those of their device.
 *
 * @throws {FileSystemError} `READ_FAILED` naming the file, `DESTINATION_FULL`
 */
export async function copyTree(
  { source, destination, sourceDevice }: TreeEnds,
  context: CopyContext,
): Promise<void> {
  const { session, signal } = context;
  await removeUnwantedLostAndFound(source, destination);
  const held = holdWhileRunning(session, 'copier');
  const emptyBytes = await bytesInUse(destination);
  const report = async (): Promise<void> => {
    // The folder may be unmounted while a last report is under way.
    const bytes = await bytesInUse(destination).catch(() => undefined);
    if (bytes !== undefined) context.onProgress(Math.max(0, bytes - emptyBytes));
  };
  const timer = setInterval(() => void report(), PROGRESS_INTERVAL_MS);
  try {
    const command = [process.execPath, ...NODE_OPTIONS, COPIER, source, destination, sourceDevice] as const;
    const { stdout } = await run(command, { signal, onStart: held.start });
    for (const line of stdout.split('\n')) if (line !== '') context.warn(JSON.parse(line) as string);
  } catch (error) {
    throw explain(error);
  } finally {
    clearInterval(timer);
    held.end();
  }
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

function explain(error: unknown): unknown {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') return error;
  const lines = error.stderr.split('\n').filter((line) => line !== '');
  if (error.exitCode === EXIT_CODES.full) {
    const message = `the destination is full, the files do not fit into it (${lines.at(-1)})`;
    return new FileSystemError('DESTINATION_FULL', message, { cause: error });
  }
  const [first = 'the copier said nothing', ...others] = lines;
  const more = others.length > 0 ? `, and ${others.length} more problems` : '';
  return new FileSystemError('READ_FAILED', `not all files could be copied: ${first}${more}`, {
    cause: error,
  });
}

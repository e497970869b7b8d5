import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { CommandError, run } from '@diskferry/system/run';

/** How much of the log a failure shows, in bytes: some twenty lines. */
const LOG_TAIL_BYTES = 2_000;

export interface CompileOptions {
  /** Buildroot's output folder, with a .config. */
  readonly outputFolder: string;
  /** How many programs are compiled at a time. */
  readonly jobs: number;
  readonly signal?: AbortSignal | undefined;
  /** Told where the words of the build go, before it begins. */
  readonly onLog: (path: string) => void;
}

/**
 * Downloads and compiles everything, and makes the boot media: the first time more than an hour, later only what changed.
 *
 * @throws {DiskferryError} `BUILDROOT_FAILED` with the end of the log
 */
export async function compile({ outputFolder, jobs, signal, onLog }: CompileOptions): Promise<void> {
  const path = join(outputFolder, 'diskferry-build.log');
  onLog(path);
  const log = await open(path, 'w+');
  try {
    // Into a file and not through this process: it is many megabytes, and people look on while it grows.
    const make = ['make', '-C', outputFolder, `BR2_JLEVEL=${jobs}`] as const;
    await run(['sh', '-c', 'exec "$@" >&3 2>&1', 'sh', ...make], {
      inheritedFiles: [log.fd],
      signal,
      env: { TERM: 'dumb' },
    });
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
    const { size } = await log.stat();
    const start = Math.max(0, size - LOG_TAIL_BYTES);
    const { buffer, bytesRead } = await log.read(Buffer.alloc(LOG_TAIL_BYTES), 0, LOG_TAIL_BYTES, start);
    throw new DiskferryError(
      'BUILDROOT_FAILED',
      `Buildroot failed; the end of ${path}:\n${buffer.toString('utf8', 0, bytesRead)}`,
      { cause: error },
    );
  } finally {
    await log.close();
  }
}

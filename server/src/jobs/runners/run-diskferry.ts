import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { CommandError, run } from '@diskferry/system/run';
import type { ProgressReport } from '../../cli/progress-line.ts';
import { RefusedError } from '../../refused-error.ts';
import type { JobWork } from '../job-engine.ts';
import { GRACE_MS, jobEnvironment } from '../job-processes.ts';

const DISKFERRY = join(import.meta.dirname, '../../../bin/diskferry.js');

/**
 * Does a transfer by a diskferry of its own, which holds mounts and devices in a session of its own: it ends, and gives
 * them back, when it is told to, and also when this server is killed (prctl(2), PR_SET_PDEATHSIG).
 *
 * @param words as on the command line
 * @param runFolder that of this server, by which the other one finds its computers
 * @param options `tellsProgress`: whether the command has that option
 * @returns what it prints with `--json`
 * @throws {RefusedError} with its code and its sentence, when it refused the work
 * @throws {DiskferryError} the same, when it failed; the reason of the signal
 */
export async function runDiskferry(
  words: readonly string[],
  { job, signal, onProgress, log }: JobWork,
  runFolder: string,
  { tellsProgress = true }: { readonly tellsProgress?: boolean } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const progress = tellsProgress ? ['--progress', 'json'] : [];
  const command = [process.execPath, DISKFERRY, ...words, '--json', ...progress];
  try {
    const { stdout } = await run(['setpriv', '--pdeathsig', 'TERM', '--', ...command], {
      signal,
      env: { DISKFERRY_RUN: runFolder, ...jobEnvironment(job.id) },
      // It answers SIGTERM by giving back what it holds, which may take long where a disk does not answer.
      graceMs: GRACE_MS,
      onErrorLine: (line) => {
        const report = reportOf(line);
        if (report === undefined) log(line);
        else onProgress(report);
      },
    });
    return JSON.parse(stdout) as Record<string, unknown>;
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof CommandError ? failureOf(error) : error;
  }
}

/** What diskferry ends with when it has changed nothing. */
const EXIT_REFUSED = 2;

function reportOf(line: string): ProgressReport | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as ProgressReport;
  } catch {
    return undefined;
  }
}

/** What it said itself is better than what its exit code says. */
function failureOf(error: CommandError): DiskferryError {
  const [, code, message] =
    /"error":\s*\{\s*"code":\s*("[^"]*"),\s*"message":\s*("(?:[^"\\]|\\.)*")/.exec(error.stdout) ?? [];
  if (code === undefined || message === undefined) return error;
  const Kind = error.exitCode === EXIT_REFUSED ? RefusedError : DiskferryError;
  return new Kind(JSON.parse(code) as string, JSON.parse(message) as string, { cause: error });
}

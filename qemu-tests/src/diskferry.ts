import { type RunResult, run } from '@diskferry/system/run';
import { NO_LOGIN } from '@diskferry/server/testing/cli-process';
import { COMMAND_LINE } from './artefacts.ts';
import type { BootedClient } from './booted-client.ts';

export interface DiskferryOptions {
  /** In ms; a command that takes longer has failed its test. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Only 0 by default. */
  readonly okExitCodes?: readonly number[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the process id. */
  readonly onStart?: (pid: number) => void;
}

/** Runs the command line as a process of its own, as a user would. */
export async function diskferry(words: readonly string[], options: DiskferryOptions): Promise<RunResult> {
  const env = { ...NO_LOGIN, ...options.env };
  return run([process.execPath, COMMAND_LINE, ...words], { ...options, env });
}

/** What `diskferry capture --json` prints, as far as tests read it. */
export interface CaptureReport {
  readonly virtualSize: number;
  readonly allocatedBytes: number;
  readonly usedBytes: number;
  readonly sourceBytesRead: number;
  readonly elapsedMs: number;
  readonly warnings: readonly string[];
}

/** Captures a disk of a booted computer, such as "sda", into a new image by the command line. */
export async function captureDisk(
  { diskAddress, connectionWords }: Pick<BootedClient, 'diskAddress' | 'connectionWords'>,
  disk: string,
  image: string,
  options: DiskferryOptions,
): Promise<CaptureReport> {
  const words = ['capture', '--json', ...connectionWords, diskAddress(disk), image];
  const { stdout } = await diskferry(words, options);
  return JSON.parse(stdout) as CaptureReport;
}

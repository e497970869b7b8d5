import { type RunResult, run } from '@diskferry/system/run';
import { COMMAND_LINE } from './artefacts.ts';

export interface DiskferryOptions {
  /** In ms; a command that takes longer has failed its test. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Only 0 by default. */
  readonly okExitCodes?: readonly number[];
  /** Called with the process id. */
  readonly onStart?: (pid: number) => void;
}

/** Runs the command line as a process of its own, as a user would. */
export async function diskferry(words: readonly string[], options: DiskferryOptions): Promise<RunResult> {
  return run([process.execPath, COMMAND_LINE, ...words], options);
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

/** Captures a disk into a new image by the command line. */
export async function captureDisk(
  address: string,
  image: string,
  options: DiskferryOptions,
): Promise<CaptureReport> {
  const { stdout } = await diskferry(['capture', '--json', address, image], options);
  return JSON.parse(stdout) as CaptureReport;
}

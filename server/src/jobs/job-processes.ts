import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, findByVariable } from '@diskferry/system/process-identity';
import { cleanUp } from '@diskferry/system/session';

/** In the environment of all that works on a job. */
const VARIABLE = 'DISKFERRY_JOB';
/** How long a transfer may take to give back what it holds, in ms; longer where a disk does not answer. */
export const GRACE_MS = 90_000;
const POLL_MS = 200;

/** What a program that works on a job gets into its environment. */
export function jobEnvironment(jobId: string): Readonly<Record<string, string>> {
  return { [VARIABLE]: jobId };
}

/**
 * Waits until nothing on this machine works on a job any more, whose server was killed: its transfer was told to end by that,
 * but until it has, it holds the disk, and may finish its image. What a transfer that was killed itself has left is released.
 *
 * @throws the reason of the signal
 */
export async function endJobProcesses(jobId: string, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + GRACE_MS; Date.now() < deadline; ) {
    signal.throwIfAborted();
    if (findByVariable(VARIABLE, jobId).length === 0) return;
    await cleanUp().catch(() => {});
    await sleep(POLL_MS);
  }
  for (const identity of findByVariable(VARIABLE, jobId)) await endProcess(identity);
}

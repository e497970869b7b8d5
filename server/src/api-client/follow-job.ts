import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiJob } from '../api/routes/jobs.ts';
import { hasEnded } from '../jobs/job-states.ts';
import type { ApiClient } from './api-client.ts';
import { UnreachableError } from './server-errors.ts';

/** How often a server is asked for a job, in ms; it writes progress as often. */
const EVERY_MS = 500;
/** How long a server that is restarted is waited for, in ms: its jobs go on afterwards. */
const PATIENCE_MS = 120_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** How long a server that does not answer is waited for, in ms. */
  readonly patienceMs?: number | undefined;
  /** Told when the server does not answer, once for each time. */
  readonly onSilence?: (error: UnreachableError) => void;
}

/**
 * A job as it is now, and then again and again until it has ended.
 *
 * @throws {UnreachableError} when the server has not answered for too long; the job may well go on
 * @throws {RefusedError} `JOB_MISSING`; see `ApiClient.call`
 */
export async function* followJob(
  client: ApiClient,
  id: string,
  options: FollowOptions,
): AsyncGenerator<ApiJob> {
  const { signal, patienceMs = PATIENCE_MS, onSilence } = options;
  let silentSince: number | undefined;
  for (;;) {
    try {
      const job = await client.call('job', { id });
      silentSince = undefined;
      yield job;
      if (hasEnded(job.state)) return;
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      if (silentSince === undefined) onSilence?.(error);
      silentSince ??= Date.now();
      if (Date.now() - silentSince >= patienceMs) throw error;
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

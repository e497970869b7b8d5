import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-client/api-client.ts';
import type { ApiLogLine } from '../api/routes/jobs.ts';
import { hasEnded } from '../jobs/job-states.ts';

/** How often a server is asked for new lines, in ms. */
const EVERY_MS = 500;

export function logLine({ at, line }: ApiLogLine): string {
  return `${at}  ${line}`;
}

export interface FollowLogOptions {
  readonly signal: AbortSignal;
  readonly show: (line: ApiLogLine) => void;
}

/** The log of a job, as far as it is written. @throws see `ApiClient.call` */
export async function readLog(client: ApiClient, id: string, after = 0): Promise<ApiLogLine[]> {
  const lines: ApiLogLine[] = [];
  for (;;) {
    const page = await client.call('jobLog', { id, query: { after: lines.at(-1)?.number ?? after } });
    if (page.length === 0) return lines;
    lines.push(...page);
  }
}

/** Shows the log of a job, and each new line as it comes, until the job has ended. @throws see `ApiClient.call` */
export async function followLog(
  client: ApiClient,
  id: string,
  { signal, show }: FollowLogOptions,
): Promise<void> {
  let after = 0;
  for (;;) {
    // Before the lines are read: those of its end are there then.
    const { state } = await client.call('job', { id });
    for (const line of await readLog(client, id, after)) {
      show(line);
      after = line.number;
    }
    if (hasEnded(state)) return;
    await sleep(EVERY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

import type { ApiClient } from '../api-client/api-client.ts';
import { followJob } from '../api-client/follow-job.ts';
import type { ApiJob } from '../api/routes/jobs.ts';
import { InterruptedError } from '../interrupted-error.ts';
import { type CliOption, type Invocation, secondsOption } from './command.ts';
import { readLog } from './job-log.ts';
import { doingOf, endOf } from './job-words.ts';
import { print, printJson, printNote } from './output.ts';
import { type Progress, startProgress } from './progress-line.ts';
import { wantsJsonProgress } from './progress-option.ts';

export const DETACH_OPTION: CliOption = {
  name: 'detach',
  help: 'print the id of the job and return at once, instead of following it to its end',
};

const EXIT_FAILED = 1;
const EXIT_REFUSED = 2;

/**
 * What commands that start a job do then: follow it, or print its id.
 *
 * @returns the exit code
 */
export async function afterStart(client: ApiClient, job: ApiJob, invocation: Invocation): Promise<number> {
  if (invocation.flags.has('detach')) {
    if (invocation.flags.has('json')) printJson(job);
    else print(job.id);
    return 0;
  }
  return endWithJob(client, job.id, invocation);
}

/** Follows a job to its end and tells how it ended. @returns the exit code */
export async function endWithJob(client: ApiClient, id: string, invocation: Invocation): Promise<number> {
  const job = await watchJob(client, id, invocation);
  return typeof job === 'number' ? job : tellEnd(client, job, invocation);
}

/**
 * Shows the progress of a job until it has ended.
 *
 * @returns the job; or the exit code if the user does not want to wait any more: the job goes on
 */
export async function watchJob(
  client: ApiClient,
  id: string,
  invocation: Invocation,
): Promise<ApiJob | number> {
  const { signal } = invocation;
  const view = new JobView(wantsJsonProgress(invocation));
  let last: ApiJob | undefined;
  try {
    const patienceMs = secondsOption(invocation, 'timeout');
    const onSilence = (error: Error): void => view.note(`${error.message}; it is waited for`);
    for await (const job of followJob(client, id, { signal, patienceMs, onSilence })) {
      view.show(job);
      last = job;
    }
  } catch (error) {
    view.end();
    if (!(error instanceof InterruptedError)) {
      printNote(`what became of the job is not known; ask again: diskferry jobs show ${id}`);
      throw error;
    }
    printNote(
      `the job goes on; to watch it: diskferry jobs follow ${id}; to end it: diskferry jobs cancel ${id}`,
    );
    return error.exitCode;
  } finally {
    view.end();
  }
  if (last === undefined) throw new Error('a job was followed and never seen');
  return last;
}

/** @returns the exit code */
export async function tellEnd(client: ApiClient, job: ApiJob, { flags }: Invocation): Promise<number> {
  for (const { line } of await readLog(client, job.id)) {
    if (line.startsWith('warning: ')) printNote(line);
  }
  if (flags.has('json')) printJson(job);
  if (job.state === 'succeeded') {
    if (!flags.has('json')) print(endOf(job));
    return 0;
  }
  printNote(`diskferry: ${endOf(job)}`);
  if (job.state === 'failed') printNote(`its log: diskferry jobs log ${job.id}`);
  return job.error?.code === 'NEEDS_CONFIRMATION' ? EXIT_REFUSED : EXIT_FAILED;
}

/** The progress line of a job, whose total becomes known, and changes, while it goes on. */
class JobView {
  readonly #asJson: boolean;
  #progress: Progress | undefined;
  #totalBytes: number | undefined;
  #title = '';

  constructor(asJson: boolean) {
    this.#asJson = asJson;
  }

  show(job: ApiJob): void {
    const { doneBytes, totalBytes } = job.progress;
    const title = doingOf(job);
    if (title === '') return;
    const isNew = this.#progress === undefined || totalBytes !== this.#totalBytes;
    if (isNew) {
      this.#progress?.end();
      this.#progress = startProgress(totalBytes, { asJson: this.#asJson, startBytes: doneBytes });
      this.#totalBytes = totalBytes;
    }
    this.#progress?.update(doneBytes);
    if (isNew || title !== this.#title) this.#progress?.step(title);
    this.#title = title;
  }

  note(text: string): void {
    this.end();
    printNote(text);
  }

  end(): void {
    this.#progress?.end();
    this.#progress = undefined;
  }
}

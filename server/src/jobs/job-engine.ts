import { setTimeout as sleep } from 'node:timers/promises';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { now } from '../database/rows.ts';
import type { EventLog } from '../events/event-log.ts';
import { endJobProcesses } from './job-processes.ts';
import { type Job, jobOf, type NewJob } from './job.ts';
import type { JobQueue } from './job-queue.ts';
import type { JobTransition } from './job-states.ts';
import type { JobStore } from './job-store.ts';
import type { JobRow } from './tables.ts';

/** How often a server says that it lives, and looks for jobs to be cancelled, in ms. */
const BEAT_MS = 1_000;
/** A server that has not been seen for so long is dead, in ms. */
const DEAD_AFTER_MS = 30_000;

/** A job whose computer another job works on, or whose link is full, is looked at again after this time, in ms. */
const BUSY_MS = 2_000;
const NOTHING_DONE = { step: null, doneBytes: 0, totalBytes: 0 };

/** What a runner has while it works. */
export interface JobWork {
  readonly job: Job;
  /** Aborted when the job is cancelled or the server ends; the runner gives back all that it holds, then rejects. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WorkProgress) => void;
  readonly log: (line: string) => void;
}

export interface WorkProgress {
  readonly step?: string;
  readonly doneBytes?: number;
  readonly totalBytes?: number;
}

/** What a job is about, as its runner reads it from the spec. */
export type JobFacts = Pick<NewJob, 'computerId' | 'imageId' | 'link'>;

/** Does the jobs of one kind. */
export interface JobRunner {
  /** @throws {DiskferryError} for a spec that cannot be done: nobody needs to wait for its turn to know */
  check(spec: Readonly<Record<string, unknown>>): Promise<JobFacts>;
  /** @returns what the job tells when it has succeeded */
  run(work: JobWork): Promise<Readonly<Record<string, unknown>>>;
  /** Clears away what a server that died left of a job: an image in the making, the state of a computer. */
  recover?(job: Job): Promise<void>;
}

export interface JobEngineOptions {
  readonly store: JobStore;
  readonly queue: JobQueue;
  readonly events: EventLog;
  readonly runners: Readonly<Record<string, JobRunner>>;
  /** The same after a restart. */
  readonly serverId: string;
  readonly host: string;
  readonly log: (line: string) => void;
}

/** Why a job's work is ended from outside. */
const CANCELLED = new DiskferryError('CANCELLED', 'it was cancelled');
const SERVER_ENDS = new DiskferryError('SERVER_ENDS', 'the server ends');

/** Takes jobs, has them done by the runners of their kinds, and writes down how far they are before and after each step. */
export class JobEngine {
  readonly #options: JobEngineOptions;
  readonly #running = new Map<string, AbortController>();
  readonly #stopped = new AbortController();
  readonly #loops: Promise<void>[] = [];

  constructor(options: JobEngineOptions) {
    this.#options = options;
  }

  /**
   * Ends truthfully what this server was at when it was killed, puts in the queue what waits, and begins to work.
   * Call it when what the dead server held has been released.
   */
  async start(): Promise<void> {
    const { store, queue, serverId, host } = this.#options;
    await store.seen(serverId, host);
    // Beside all else: to recover a job may take longer than a server may be silent.
    this.#loops.push(this.#repeat(() => store.seen(serverId, host)));
    await queue.start((id) => this.#take(id));
    for (const row of await store.inState('running', serverId)) await this.#recover(row);
    for (const row of await store.inState('queued')) await queue.push(row);
    this.#loops.push(this.#repeat(() => this.#look()));
  }

  /**
   * Looks at a job as `submit` does, and does nothing.
   *
   * @throws {DiskferryError} `JOB_KIND`, and what its runner says of the spec
   */
  async check({ kind, spec }: Pick<NewJob, 'kind' | 'spec'>): Promise<JobFacts> {
    const { runners } = this.#options;
    const runner = runners[kind];
    if (runner === undefined) throw unknownKind(kind, Object.keys(runners));
    return runner.check(spec);
  }

  /** Puts a job in the queue. @throws see `check` */
  async submit(job: NewJob): Promise<Job> {
    const { store, queue } = this.#options;
    const row = await store.add({ ...job, ...(await this.check(job)) });
    await this.#tell(row, 'job.queued', 'waits for its turn');
    await queue.push(row);
    return jobOf(row);
  }

  /** @throws {DiskferryError} `STATE` when it runs or has ended, `JOB_MISSING` */
  async pause(id: string): Promise<Job> {
    return jobOf(await this.#options.store.demand(id, 'pause'));
  }

  /** @throws {DiskferryError} `STATE` when it is not paused, `JOB_MISSING` */
  async resume(id: string): Promise<Job> {
    return this.#again(id, 'resume');
  }

  /** Begins again what failed or was cancelled. @throws {DiskferryError} `STATE`, `JOB_MISSING` */
  async retry(id: string): Promise<Job> {
    return this.#again(id, 'retry');
  }

  async #again(id: string, name: JobTransition): Promise<Job> {
    const { store, queue } = this.#options;
    const clean = { attempt: 0, errorCode: null, errorMessage: null, endedAt: null, cancelRequested: 0 };
    const row = await store.demand(id, name, name === 'retry' ? clean : {});
    await queue.push(row);
    return jobOf(row);
  }

  /**
   * Ends a job. One that runs is asked to; it is `cancelled` when it has given back all that it held.
   *
   * @throws {DiskferryError} `STATE` when it has ended, `JOB_MISSING`
   */
  async cancel(id: string): Promise<Job> {
    const { store } = this.#options;
    const row = await store.get(id);
    if (row.state === 'running') {
      await store.update(id, { cancelRequested: 1 });
      this.#running.get(id)?.abort(CANCELLED);
      return jobOf(await store.get(id));
    }
    const ended = await store.demand(id, 'cancel', { endedAt: now() });
    await this.#tell(ended, 'job.cancelled', 'was cancelled');
    return jobOf(ended);
  }

  /** Ends the work under way; it goes on after the next start. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#loops);
    for (const controller of this.#running.values()) controller.abort(SERVER_ENDS);
    await this.#options.queue.stop();
  }

  async #take(id: string): Promise<void> {
    const { store, queue, serverId, log } = this.#options;
    if (this.#stopped.signal.aborted) return;
    if (this.#running.has(id)) return this.#takeLater(id);
    const controller = new AbortController();
    // Before the database says that it runs: what runs there and not here was lost.
    this.#running.set(id, controller);
    try {
      const waiting = await store.get(id);
      const begun = { serverId, attempt: waiting.attempt + 1, startedAt: now(), ...NOTHING_DONE };
      const row = await store.start(id, begun, queue.limits.atOncePerLink);
      if (row === 'busy') await queue.push({ ...waiting, startAfter: soon() });
      // Paused or cancelled meanwhile, or another server has it.
      else if (row !== undefined) await this.#run(row, controller.signal);
    } catch (error) {
      // The database is away: the job keeps its state, and is recovered when it is back.
      log(`job ${id}: ${messageOf(error)}`);
    } finally {
      this.#running.delete(id);
    }
  }

  /** A queue may hand out twice what runs here. But what has just ended here may be wanted again before its end is all told. */
  async #takeLater(id: string): Promise<void> {
    const { store, queue, log } = this.#options;
    try {
      const waiting = await store.get(id);
      if (waiting.state === 'queued') await queue.push({ ...waiting, startAfter: soon() });
    } catch (error) {
      log(`job ${id}: ${messageOf(error)}`);
    }
  }

  async #run(row: JobRow, signal: AbortSignal): Promise<void> {
    const { store, runners } = this.#options;
    const writer = new ProgressWriter(store, row.id);
    let result: Readonly<Record<string, unknown>>;
    try {
      await this.#tell(row, 'job.started', `was begun (attempt ${row.attempt} of ${row.maxAttempts})`);
      const runner = runners[row.kind];
      if (runner === undefined) throw unknownKind(row.kind, Object.keys(runners));
      // Cancelled while that was written: the runner need not begin.
      signal.throwIfAborted();
      result = await runner.run({
        job: jobOf(row),
        signal,
        onProgress: (progress) => writer.progress(progress),
        log: (line) => writer.log(line),
      });
    } catch (error) {
      await writer.end();
      await this.#endBadly(row, signal.aborted ? signal.reason : error);
      return;
    }
    await writer.end();
    const ended = { endedAt: now(), result: JSON.stringify(result), errorCode: null, errorMessage: null };
    await store.change(row.id, 'succeed', ended);
    await this.#tell(row, 'job.succeeded', 'has succeeded');
  }

  async #endBadly(row: JobRow, error: unknown): Promise<void> {
    const { store, log } = this.#options;
    if (error === CANCELLED) {
      await store.change(row.id, 'cancel', { endedAt: now() });
      await this.#tell(row, 'job.cancelled', 'was cancelled');
    } else if (error === SERVER_ENDS) {
      // It was not the job's fault: this attempt does not count.
      await store.change(row.id, 'interrupt', { attempt: row.attempt - 1 });
    } else {
      const message = messageOf(error);
      const code = error instanceof DiskferryError ? error.code : 'FAILED';
      if (!(error instanceof DiskferryError)) log(`job ${row.id}: ${(error as Error).stack ?? message}`);
      await store.change(row.id, 'fail', { endedAt: now(), errorCode: code, errorMessage: message });
      await store.log(row.id, `failed: ${message}`);
      await this.#tell(row, 'job.failed', `has failed: ${message}`, 'alert');
    }
  }

  /** A job whose server, or whose database, died in the middle of it. */
  async #recover(found: JobRow): Promise<void> {
    const { store, queue, runners, serverId } = this.#options;
    const row = await store.takeOver(found, serverId);
    if (row === undefined || this.#running.has(row.id)) return;
    await endJobProcesses(row.id, this.#stopped.signal);
    await runners[row.kind]?.recover?.(jobOf(row));
    await store.log(row.id, 'the server or its database died while it worked on this job');
    if (row.cancelRequested === 1) {
      await store.change(row.id, 'cancel', { endedAt: now() });
    } else if (row.attempt < row.maxAttempts) {
      const again = await store.change(row.id, 'interrupt');
      if (again !== undefined) await queue.push(again);
    } else {
      const message = `the server or its database died ${row.attempt} times while it worked on it`;
      const ended = { endedAt: now(), errorCode: 'SERVER_DIED', errorMessage: message };
      await store.change(row.id, 'fail', ended);
      await this.#tell(row, 'job.failed', `has failed: ${message}`, 'alert');
    }
  }

  /** Ends what others want to be cancelled, and takes over from servers that died. */
  async #look(): Promise<void> {
    const { store, serverId } = this.#options;
    for (const row of await store.inState('running', serverId)) {
      const work = this.#running.get(row.id);
      if (work === undefined) await this.#recover(row);
      else if (row.cancelRequested === 1) work.abort(CANCELLED);
    }
    const dead = new Date(Date.now() - DEAD_AFTER_MS).toISOString();
    for (const row of await store.abandonedSince(dead)) await this.#recover(row);
  }

  /** Until the server ends; what fails is logged, and tried again. */
  async #repeat(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (!signal.aborted) this.#options.log(`jobs are not looked after: ${messageOf(error)}`);
      }
      await sleep(BEAT_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #tell(row: JobRow, kind: string, what: string, severity: 'info' | 'alert' = 'info'): Promise<void> {
    await this.#options.events.add({
      kind,
      severity,
      subject: { kind: 'job', id: row.id },
      message: `The job "${row.kind}" ${what}.`,
      data: { computerId: row.computerId, imageId: row.imageId },
    });
  }
}

function soon(): string {
  return new Date(Date.now() + BUSY_MS).toISOString();
}

function unknownKind(kind: string, known: readonly string[]): DiskferryError {
  return new DiskferryError(
    'JOB_KIND',
    `there are no jobs of the kind "${kind}"; there are: ${known.join(', ')}`,
  );
}

/** How often progress is written, in ms. */
const WRITE_EVERY_MS = 500;

/** Writes progress and log lines one after the other, progress not too often. */
class ProgressWriter {
  readonly #store: JobStore;
  readonly #id: string;
  #latest: WorkProgress | undefined;
  #writtenMs = 0;
  #chain: Promise<void> = Promise.resolve();

  constructor(store: JobStore, id: string) {
    this.#store = store;
    this.#id = id;
  }

  progress(progress: WorkProgress): void {
    const isNewStep = progress.step !== undefined && progress.step !== this.#latest?.step;
    this.#latest = { ...this.#latest, ...progress };
    if (isNewStep) this.log(progress.step ?? '');
    if (isNewStep || Date.now() - this.#writtenMs >= WRITE_EVERY_MS) this.#write();
  }

  log(line: string): void {
    this.#then(() => this.#store.log(this.#id, line));
  }

  /** Writes what is left. Never rejects: the end of a job does not hang on its log. */
  async end(): Promise<void> {
    if (this.#latest !== undefined) this.#write();
    await this.#chain;
  }

  #write(): void {
    this.#writtenMs = Date.now();
    const progress = this.#latest ?? {};
    this.#then(() => this.#store.update(this.#id, progress));
  }

  #then(work: () => Promise<void>): void {
    this.#chain = this.#chain.then(work).catch(() => {});
  }
}

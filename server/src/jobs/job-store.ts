import type { Database } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import { isUniqueViolation } from '../database/unique-violation.ts';
import { DiskferryError } from '@diskferry/system/errors';
import { type Job, jobOf, type NewJob } from './job.ts';
import { type JobState, type JobTransition, transition, wrongState } from './job-states.ts';
import type { JobRow } from './tables.ts';

const DEFAULT_ATTEMPTS = 3;
const DEFAULT_LIMIT = 100;

export interface JobWishes {
  /** One of these. */
  readonly states?: readonly JobState[] | undefined;
  readonly kind?: string | undefined;
  readonly computerId?: string | undefined;
  readonly imageId?: string | undefined;
  /** Those before this one, of which the newest come first. */
  readonly before?: string | undefined;
  readonly limit?: number | undefined;
}

export interface JobLogLine {
  readonly number: number;
  readonly at: string;
  readonly line: string;
}

/** What a transition changes besides the state. */
export type JobChanges = Partial<Omit<JobRow, 'id' | 'state' | 'kind'>>;

/** Jobs in the database. Every change of a state is one statement that tells whether it happened. */
export class JobStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(job: NewJob): Promise<JobRow> {
    const row: JobRow = {
      id: newId(),
      kind: job.kind,
      state: 'queued',
      priority: job.priority ?? 0,
      spec: JSON.stringify(job.spec),
      link: job.link ?? null,
      linkPlace: null,
      computerId: job.computerId ?? null,
      imageId: job.imageId ?? null,
      createdBy: job.createdBy,
      createdAt: now(),
      startAfter: job.startAfter ?? null,
      startedAt: null,
      endedAt: null,
      attempt: 0,
      maxAttempts: job.maxAttempts ?? DEFAULT_ATTEMPTS,
      serverId: null,
      cancelRequested: 0,
      step: null,
      doneBytes: 0,
      totalBytes: 0,
      errorCode: null,
      errorMessage: null,
      result: null,
    };
    await this.#database.insertInto('jobs').values(row).execute();
    return row;
  }

  /** @throws {DiskferryError} `JOB_MISSING` */
  async get(id: string): Promise<JobRow> {
    const row = await this.#database.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new DiskferryError('JOB_MISSING', `there is no job ${id}`);
    return row;
  }

  /** The newest first. */
  async list(wishes: JobWishes = {}): Promise<Job[]> {
    let query = this.#database.selectFrom('jobs').selectAll().orderBy('id', 'desc');
    if (wishes.states !== undefined) query = query.where('state', 'in', wishes.states);
    if (wishes.kind !== undefined) query = query.where('kind', '=', wishes.kind);
    if (wishes.computerId !== undefined) query = query.where('computerId', '=', wishes.computerId);
    if (wishes.imageId !== undefined) query = query.where('imageId', '=', wishes.imageId);
    if (wishes.before !== undefined) query = query.where('id', '<', wishes.before);
    return (await query.limit(wishes.limit ?? DEFAULT_LIMIT).execute()).map(jobOf);
  }

  /**
   * Changes the state where the present one allows it. Of several that try the same at once, one does it.
   *
   * @returns the job as it is now; undefined where its state did not allow it
   */
  async change(id: string, name: JobTransition, changes: JobChanges = {}): Promise<JobRow | undefined> {
    const { from, to } = transition(name);
    return this.#database
      .updateTable('jobs')
      .set({ ...changes, state: to })
      .where('id', '=', id)
      .where('state', 'in', from)
      .returningAll()
      .executeTakeFirst();
  }

  /**
   * Begins a job, at the first free place of its link. The database sees to it that two jobs have neither one computer nor
   * one place, whichever servers begin them at the same moment.
   *
   * @param places how many jobs may run at once on one link
   * @returns `busy` while another job works on its computer, or its link is full; undefined as with `change`
   */
  async start(id: string, changes: JobChanges, places: number): Promise<JobRow | 'busy' | undefined> {
    for (let linkPlace = 0; linkPlace < places; linkPlace++) {
      try {
        return await this.change(id, 'start', { ...changes, linkPlace });
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
      }
    }
    return 'busy';
  }

  /**
   * Gives a running job to a server that shall recover it. Of several servers that find it abandoned at the same moment, one
   * gets it; and none where it has ended, or was begun again, since it was read.
   */
  async takeOver({ id, serverId: before, attempt }: JobRow, serverId: string): Promise<JobRow | undefined> {
    return this.#database
      .updateTable('jobs')
      .set({ serverId })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .where('serverId', 'is not distinct from', before)
      .where('attempt', '=', attempt)
      .returningAll()
      .executeTakeFirst();
  }

  /** The same as `change` for those that ask for it: they are told why not. @throws {DiskferryError} `STATE`, `JOB_MISSING` */
  async demand(id: string, name: JobTransition, changes?: JobChanges): Promise<JobRow> {
    const row = await this.change(id, name, changes);
    if (row !== undefined) return row;
    throw wrongState(id, (await this.get(id)).state, name);
  }

  async update(id: string, changes: JobChanges): Promise<void> {
    await this.#database.updateTable('jobs').set(changes).where('id', '=', id).execute();
  }

  /** Jobs in a state; with a server, those that are its own. */
  async inState(state: JobState, serverId?: string): Promise<JobRow[]> {
    const query = this.#database.selectFrom('jobs').selectAll().where('state', '=', state).orderBy('id');
    return (serverId === undefined ? query : query.where('serverId', '=', serverId)).execute();
  }

  /** Whether a job of that computer runs, or waits for its turn and its time has come. */
  async isDueFor(computerId: string): Promise<boolean> {
    const row = await this.#database
      .selectFrom('jobs')
      .select('id')
      .where('computerId', '=', computerId)
      .where((is) =>
        is.or([
          is('state', '=', 'running'),
          is.and([
            is('state', '=', 'queued'),
            is.or([is('startAfter', 'is', null), is('startAfter', '<=', now())]),
          ]),
        ]),
      )
      .executeTakeFirst();
    return row !== undefined;
  }

  async log(jobId: string, line: string): Promise<void> {
    await this.#database.insertInto('jobLog').values({ jobId, at: now(), line }).execute();
  }

  /** Lines after one, oldest first. */
  async readLog(jobId: string, after = 0, limit = 1000): Promise<JobLogLine[]> {
    return this.#database
      .selectFrom('jobLog')
      .select(['number', 'at', 'line'])
      .where('jobId', '=', jobId)
      .where('number', '>', after)
      .orderBy('number')
      .limit(limit)
      .execute();
  }

  /** Says that a server lives. */
  async seen(serverId: string, host: string): Promise<void> {
    const row = { id: serverId, host, seenAt: now() };
    await this.#database
      .insertInto('servers')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ host, seenAt: row.seenAt }))
      .execute();
  }

  /** Running jobs whose server has not been seen since then (ISO 8601). */
  async abandonedSince(time: string): Promise<JobRow[]> {
    return this.#database
      .selectFrom('jobs')
      .leftJoin('servers', 'servers.id', 'jobs.serverId')
      .selectAll('jobs')
      .where('jobs.state', '=', 'running')
      .where((is) => is.or([is('servers.seenAt', '<', time), is('servers.seenAt', 'is', null)]))
      .execute();
  }
}

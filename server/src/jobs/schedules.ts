import { Cron } from 'croner';
import { messageOf, UsageError } from '@diskferry/system/errors';
import type { Database } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import { isUniqueViolation } from '../database/unique-violation.ts';
import { RefusedError } from '../refused-error.ts';
import type { NewJobs } from './job-desk.ts';
import type { ScheduleRow } from './tables.ts';

/** What is submitted whenever its time has come. */
export type ScheduledJob = Pick<NewJobs, 'kind' | 'spec' | 'group' | 'priority' | 'maxAttempts'>;

/** A job that is submitted again and again. */
export interface Schedule {
  readonly id: string;
  readonly name: string;
  /** Five fields (crontab(5)), or six with seconds first. */
  readonly cron: string;
  /** IANA name, such as "Europe/Berlin". */
  readonly timeZone: string;
  readonly job: ScheduledJob;
  readonly enabled: boolean;
  /** ISO 8601; absent while it is off, or where no time fits any more. */
  readonly nextAt?: string;
  readonly lastAt?: string;
  /** Why its last job could not be submitted. */
  readonly problem?: string;
}

export interface NewSchedule {
  readonly name: string;
  readonly cron: string;
  /** UTC by default. */
  readonly timeZone?: string | undefined;
  readonly job: ScheduledJob;
}

/** Jobs by the clock. Several servers may look: each time is taken by one of them. */
export class Schedules {
  readonly #database: Database;
  readonly #submit: (jobs: NewJobs) => Promise<unknown>;

  /** @param submit as `JobDesk.submit` */
  constructor(database: Database, submit: (jobs: NewJobs) => Promise<unknown>) {
    this.#database = database;
    this.#submit = submit;
  }

  /**
   * @throws {UsageError} for a cron expression or a time zone that cannot be
   * @throws {RefusedError} `SCHEDULE_EXISTS`
   */
  async add({ name, cron, timeZone = 'UTC', job }: NewSchedule): Promise<Schedule> {
    const row: ScheduleRow = {
      id: newId(),
      name,
      cron,
      timeZone,
      job: JSON.stringify(job),
      enabled: 1,
      nextAt: nextTime(cron, timeZone),
      lastAt: null,
      problem: null,
    };
    try {
      await this.#database.insertInto('schedules').values(row).execute();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new RefusedError('SCHEDULE_EXISTS', `there is a schedule ${name} already; choose another name`);
    }
    return scheduleOf(row);
  }

  async list(): Promise<Schedule[]> {
    return (await this.#database.selectFrom('schedules').selectAll().orderBy('name').execute()).map(
      scheduleOf,
    );
  }

  /** Turns it on or off. @throws {RefusedError} `SCHEDULE_MISSING` */
  async enable(id: string, enabled: boolean): Promise<Schedule> {
    const { cron, timeZone } = await this.#get(id);
    const changes = { enabled: enabled ? 1 : 0, nextAt: enabled ? nextTime(cron, timeZone) : null };
    await this.#database.updateTable('schedules').set(changes).where('id', '=', id).execute();
    return scheduleOf(await this.#get(id));
  }

  /** @throws {RefusedError} `SCHEDULE_MISSING` */
  async remove(id: string): Promise<void> {
    await this.#get(id);
    await this.#database.deleteFrom('schedules').where('id', '=', id).execute();
  }

  /** Submits what is due. What was missed while no server ran is submitted once. */
  async look(): Promise<void> {
    const due = await this.#database
      .selectFrom('schedules')
      .selectAll()
      .where('nextAt', '<=', now())
      .orderBy('nextAt')
      .execute();
    for (const row of due) {
      const { numUpdatedRows } = await this.#database
        .updateTable('schedules')
        .set({ lastAt: now(), nextAt: nextTime(row.cron, row.timeZone), problem: null })
        .where('id', '=', row.id)
        // Another server was faster otherwise.
        .where('nextAt', '=', row.nextAt)
        .executeTakeFirst();
      if (Number(numUpdatedRows) === 1) await this.#submitFor(row);
    }
  }

  async #submitFor({ id, name, job }: ScheduleRow): Promise<void> {
    try {
      await this.#submit({ ...(JSON.parse(job) as ScheduledJob), createdBy: `schedule ${name}` });
    } catch (error) {
      const problem = messageOf(error);
      await this.#database.updateTable('schedules').set({ problem }).where('id', '=', id).execute();
    }
  }

  async #get(id: string): Promise<ScheduleRow> {
    const row = await this.#database
      .selectFrom('schedules')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new RefusedError('SCHEDULE_MISSING', `there is no schedule ${id}`);
    return row;
  }
}

/** @throws {UsageError} */
function nextTime(cron: string, timezone: string): string | null {
  try {
    return new Cron(cron, { timezone, paused: true }).nextRun()?.toISOString() ?? null;
  } catch (error) {
    throw new UsageError(`"${cron}" in ${timezone} is no schedule: ${messageOf(error)}`);
  }
}

function scheduleOf({ job, enabled, nextAt, lastAt, problem, ...row }: ScheduleRow): Schedule {
  return {
    ...row,
    job: JSON.parse(job) as ScheduledJob,
    enabled: enabled === 1,
    ...(nextAt === null ? {} : { nextAt }),
    ...(lastAt === null ? {} : { lastAt }),
    ...(problem === null ? {} : { problem }),
  };
}

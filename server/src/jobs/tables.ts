import type { Generated } from 'kysely';
import type { JobState } from './job-states.ts';

export interface JobTables {
  readonly jobs: JobRow;
  readonly jobLog: JobLogRow;
  readonly schedules: ScheduleRow;
  readonly servers: ServerRow;
}

/** A piece of work and how far it is. All that must survive the death of a server is in here. */
export interface JobRow {
  readonly id: string;
  /** What runs it: "capture", "deploy", ... */
  readonly kind: string;
  readonly state: JobState;
  /** Larger ones first. */
  readonly priority: number;
  /** JSON: what is to be done; only the runner of its kind looks inside. */
  readonly spec: string;
  /** Computers on one link share it: so many of its jobs at once and no more. */
  readonly link: string | null;
  /** Which of the link's places it has while it runs, from 0. */
  readonly linkPlace: number | null;
  readonly computerId: string | null;
  readonly imageId: string | null;
  /** Name of the user or the schedule. */
  readonly createdBy: string;
  readonly createdAt: string;
  /** Not before. */
  readonly startAfter: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** How often it was begun. */
  readonly attempt: number;
  /** After the death of a server it is begun again until then. */
  readonly maxAttempts: number;
  /** Who runs it, or ran it last. */
  readonly serverId: string | null;
  /** 1: whoever runs it shall end it. */
  readonly cancelRequested: number;
  /** What is being done now, a few words. */
  readonly step: string | null;
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  /** JSON. */
  readonly result: string | null;
}

export interface JobLogRow {
  readonly number: Generated<number>;
  readonly jobId: string;
  readonly at: string;
  readonly line: string;
}

/** A server that uses this database. */
export interface ServerRow {
  readonly id: string;
  readonly host: string;
  /** Renewed every few seconds; one that is old belongs to a server that is dead. */
  readonly seenAt: string;
}

/** A job that is submitted again and again. */
export interface ScheduleRow {
  readonly id: string;
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  /** JSON. */
  readonly job: string;
  /** 1 or 0. */
  readonly enabled: number;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly problem: string | null;
}

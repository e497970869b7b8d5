import type { JobState } from './job-states.ts';
import type { JobRow } from './tables.ts';

/** A piece of work, as the API shows it. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly priority: number;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly computerId?: string;
  readonly imageId?: string;
  readonly createdBy: string;
  /** Times: ISO 8601. */
  readonly createdAt: string;
  readonly startAfter?: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly serverId?: string;
  readonly progress: JobProgress;
  readonly error?: { readonly code: string; readonly message: string };
  readonly result?: Readonly<Record<string, unknown>>;
}

export interface JobProgress {
  readonly step?: string;
  readonly doneBytes: number;
  /** 0 while it is not known. */
  readonly totalBytes: number;
  /** From the rate since the job was begun; absent where it is not known. */
  readonly secondsLeft?: number;
}

/** What somebody wants to be done. */
export interface NewJob {
  readonly kind: string;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  /** Default 0; larger ones first. */
  readonly priority?: number;
  /** ISO 8601. */
  readonly startAfter?: string;
  /** Default 3. */
  readonly maxAttempts?: number;
  readonly computerId?: string;
  readonly imageId?: string;
  /** The network link that it loads. */
  readonly link?: string;
}

export function jobOf(row: JobRow): Job {
  const known = (name: keyof Job, value: string | null): Partial<Job> =>
    value === null ? {} : { [name]: value };
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    priority: row.priority,
    spec: JSON.parse(row.spec) as Record<string, unknown>,
    ...known('computerId', row.computerId),
    ...known('imageId', row.imageId),
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    ...known('startAfter', row.startAfter),
    ...known('startedAt', row.startedAt),
    ...known('endedAt', row.endedAt),
    attempt: row.attempt,
    maxAttempts: row.maxAttempts,
    ...known('serverId', row.serverId),
    progress: progressOf(row),
    ...(row.errorCode === null ? {} : { error: { code: row.errorCode, message: row.errorMessage ?? '' } }),
    ...(row.result === null ? {} : { result: JSON.parse(row.result) as Record<string, unknown> }),
  };
}

function progressOf({ state, step, doneBytes, totalBytes, startedAt }: JobRow): JobProgress {
  const progress = { ...(step === null ? {} : { step }), doneBytes, totalBytes };
  if (state !== 'running' || startedAt === null || doneBytes === 0 || totalBytes === 0) return progress;
  const seconds = (Date.now() - Date.parse(startedAt)) / 1000;
  return {
    ...progress,
    secondsLeft: Math.max(0, Math.round((seconds * (totalBytes - doneBytes)) / doneBytes)),
  };
}

/** What a queue must know of a job. */
export interface QueuedJob {
  readonly id: string;
  readonly priority: number;
  readonly startAfter: string | null;
  readonly link: string | null;
}

export interface QueueLimits {
  /** Jobs of this server that run at the same time. */
  readonly atOnce: number;
  /**
   * And of all servers that share the queue, those on one link. A queue hands out so many at about the same time; the job
   * store is exact.
   */
  readonly atOncePerLink: number;
}

/**
 * Says which job is next, and when. What a job is and how far it is, is in the database: a job that was changed in the
 * meantime comes all the same, and whoever takes it looks.
 */
export interface JobQueue {
  readonly limits: QueueLimits;
  /** Begins to hand out jobs. A job is out until the returned promise is settled. */
  start(run: (id: string) => Promise<void>): Promise<void>;
  push(job: QueuedJob): Promise<void>;
  /** Hands out no more; what is out is waited for. */
  stop(): Promise<void>;
}

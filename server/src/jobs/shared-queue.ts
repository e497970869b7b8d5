import { PgBoss } from 'pg-boss';
import type { JobQueue, QueuedJob, QueueLimits } from './job-queue.ts';

const QUEUE = 'jobs';
const SCHEMA = 'diskferry_queue';
/** A server that was killed is noticed after this time, and another one takes its jobs, in s. */
const HEARTBEAT_S = 20;
/** After this time pg-boss hands out a job again, in s, and allows no more; one that still runs is not begun twice. */
const LONGEST_JOB_S = 24 * 3600;
/** How often the queue is looked at, in s. */
const POLLING_S = 1;
/** Jobs decide themselves how often they are begun. */
const RETRIES = 1000;

/** The queue that several servers share on PostgreSQL, kept by pg-boss. */
export class SharedQueue implements JobQueue {
  readonly limits: QueueLimits;
  readonly #boss: PgBoss;

  /** @param onError told what goes wrong in the background, such as a database that is gone for a while */
  constructor(url: string, limits: QueueLimits, onError: (error: Error) => void) {
    this.#boss = new PgBoss({ connectionString: url, schema: SCHEMA, application_name: 'diskferry queue' });
    this.#boss.on('error', onError);
    this.limits = limits;
  }

  async start(run: (id: string) => Promise<void>): Promise<void> {
    await this.#boss.start();
    const options = {
      heartbeatSeconds: HEARTBEAT_S,
      expireInSeconds: LONGEST_JOB_S,
      retryLimit: RETRIES,
      retryDelay: 1,
    };
    await this.#boss.createQueue(QUEUE, options);
    const { atOnce, atOncePerLink } = this.limits;
    await this.#boss.work<{ id: string }>(
      QUEUE,
      { localConcurrency: atOnce, groupConcurrency: atOncePerLink, pollingIntervalSeconds: POLLING_S },
      async ([job]) => {
        if (job !== undefined) await run(job.data.id);
      },
    );
  }

  async push({ id, priority, startAfter, link }: QueuedJob): Promise<void> {
    await this.#boss.send(
      QUEUE,
      { id },
      {
        priority,
        ...(startAfter === null ? {} : { startAfter: new Date(startAfter) }),
        ...(link === null ? {} : { group: { id: link } }),
      },
    );
  }

  async stop(): Promise<void> {
    await this.#boss.stop({ graceful: true, close: true });
  }
}

import PQueue from 'p-queue';
import type { JobQueue, QueuedJob, QueueLimits } from './job-queue.ts';

/** setTimeout takes no more (2^31 - 1 ms, 24 days). */
const LONGEST_TIMER_MS = 0x7f_ff_ff_ff;

/** The queue of a single server. It is in memory: at the start, the server pushes again what the database says. */
export class LocalQueue implements JobQueue {
  readonly limits: QueueLimits;
  readonly #all: PQueue;
  readonly #links = new Map<string, PQueue>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #run: ((id: string) => Promise<void>) | undefined;

  constructor(limits: QueueLimits) {
    this.#all = new PQueue({ concurrency: limits.atOnce, autoStart: false });
    this.limits = limits;
  }

  async start(run: (id: string) => Promise<void>): Promise<void> {
    this.#run = run;
    this.#all.start();
  }

  async push(job: QueuedJob): Promise<void> {
    const wait = job.startAfter === null ? 0 : Date.parse(job.startAfter) - Date.now();
    if (wait <= 0) {
      this.#enter(job);
      return;
    }
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        void this.push(job);
      },
      Math.min(wait, LONGEST_TIMER_MS),
    );
    this.#timers.add(timer);
  }

  /** First a place on its link, then one on the server: a full link keeps no others waiting. */
  #enter({ id, priority, link }: QueuedJob): void {
    const work = async (): Promise<void> => {
      await this.#all.add(() => this.#run?.(id), { priority });
    };
    // Who waits when the queue stops is sent away by an error; the job stays in the database.
    (link === null ? work() : this.#linkQueue(link).add(work, { priority })).catch(() => {});
  }

  #linkQueue(link: string): PQueue {
    const known = this.#links.get(link);
    if (known !== undefined) return known;
    const queue = new PQueue({ concurrency: this.limits.atOncePerLink });
    this.#links.set(link, queue);
    return queue;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const queue of this.#links.values()) queue.clear();
    this.#all.clear();
    this.#all.pause();
    await this.#all.onPendingZero();
  }
}

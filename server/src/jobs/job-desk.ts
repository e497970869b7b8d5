import type { Registry } from '../registry/registry.ts';
import type { Job, NewJob } from './job.ts';
import type { JobEngine } from './job-engine.ts';

/** A job, or one for each computer of a group. */
export type NewJobs = NewJob & {
  /** Id or name. */
  readonly group?: string | undefined;
};

/** Puts jobs into the queue, with those for groups. */
export class JobDesk {
  readonly #jobs: JobEngine;
  readonly #registry: Registry;

  constructor(jobs: JobEngine, registry: Registry) {
    this.#jobs = jobs;
    this.#registry = registry;
  }

  /** Looks at them as `submit` does, and does nothing. @throws see `submit` */
  async check(wanted: Omit<NewJobs, 'createdBy'>): Promise<void> {
    for (const job of await this.#each(wanted)) await this.#jobs.check(job);
  }

  /**
   * All of them or, if one cannot be, none.
   *
   * @throws {DiskferryError} `JOB_KIND`, `GROUP_MISSING`, and what the runner says of a spec
   */
  async submit(wanted: NewJobs): Promise<Job[]> {
    const jobs = await this.#each(wanted);
    for (const job of jobs) await this.#jobs.check(job);
    const submitted = [];
    for (const job of jobs) submitted.push(await this.#jobs.submit(job));
    return submitted;
  }

  async #each<T extends Omit<NewJobs, 'createdBy'>>({ group, ...job }: T): Promise<Omit<T, 'group'>[]> {
    if (group === undefined) return [job];
    const members = await this.#registry.groupMembers(group);
    return members.map((computer) => ({ ...job, spec: { ...job.spec, computer } }));
  }
}

interface Holder {
  readonly start: number;
  readonly end: number;
  readonly done: Promise<void>;
}

/** Lets work on overlapping ranges run one after the other, in the order of the calls, and other work at once. */
export class RangeLock {
  readonly #holders = new Set<Holder>();

  /**
   * Runs `work` when all earlier work on the range has ended, well or not.
   *
   * @param end the first position behind the range
   */
  async run<T>(start: number, end: number, work: () => Promise<T>): Promise<T> {
    const earlier = [...this.#holders].filter((holder) => holder.start < end && start < holder.end);
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const holder = { start, end, done };
    this.#holders.add(holder);
    try {
      // Work waits only for older work, so there is always one that can run.
      for (const { done } of earlier) await done;
      return await work();
    } finally {
      this.#holders.delete(holder);
      resolve();
    }
  }
}

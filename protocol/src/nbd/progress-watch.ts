/** Something that a peer owes: a number that grows as it delivers, or undefined while it owes nothing. */
export type Debt = () => number | undefined;

const CHECKS_PER_TIMEOUT = 8;

/** Notices that a peer owes something and makes no progress. One timer for a connection, and no work for its messages. */
export class ProgressWatch {
  readonly #timer: NodeJS.Timeout;
  readonly #timeoutMs: number;
  readonly #debts: { readonly debt: Debt; progress: number | undefined; since: number }[];

  constructor(
    debts: readonly Debt[],
    { timeoutMs, onStuck }: { readonly timeoutMs: number; readonly onStuck: () => void },
  ) {
    this.#timeoutMs = timeoutMs;
    this.#debts = debts.map((debt) => ({ debt, progress: undefined, since: 0 }));
    this.#timer = setInterval(
      () => {
        if (this.#isStuck()) onStuck();
      },
      Math.ceil(timeoutMs / CHECKS_PER_TIMEOUT),
    );
    // A connection is kept alive by its socket.
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #isStuck(): boolean {
    const now = performance.now();
    let stuck = false;
    for (const known of this.#debts) {
      const progress = known.debt();
      if (progress === undefined || progress !== known.progress) {
        known.progress = progress;
        known.since = now;
      } else if (now - known.since >= this.#timeoutMs) {
        stuck = true;
      }
    }
    return stuck;
  }
}

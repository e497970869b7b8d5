const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 5_000;
/** A connection that lasted so long, in ms, was a success, and the delays begin anew after it. */
const SUCCESS_MS = LONGEST_DELAY_MS;

/**
 * How long to wait before each attempt to connect again: twice as long each time, up to a few seconds, and a random part less, so
 * that many clients of a server that comes back do not come at once. Times are those of a clock that never jumps, in ms.
 */
export class BackOff {
  #attempts = 0;
  #restoredAt = Number.NEGATIVE_INFINITY;

  /** The connection was lost. */
  interrupted(now: number): void {
    if (now - this.#restoredAt >= SUCCESS_MS) this.#attempts = 0;
  }

  /** The connection is there again. */
  restored(now: number): void {
    this.#restoredAt = now;
  }

  nextDelayMs(): number {
    const longest = Math.min(FIRST_DELAY_MS * 2 ** this.#attempts, LONGEST_DELAY_MS);
    this.#attempts++;
    return longest * (1 - Math.random() / 2);
  }
}

/** More than a lab has. */
const MOST_KEYS = 10_000;

/** Tells what is new from what came a moment ago: firmware asks several times for the same. */
export class Recent {
  readonly #periodMs: number;
  readonly #seen = new Map<string, number>();

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** Whether it did not come within the period before. */
  isNew(key: string, now = Date.now()): boolean {
    const before = this.#seen.get(key);
    if (before !== undefined && now - before < this.#periodMs) return false;
    if (this.#seen.size >= MOST_KEYS) this.#seen.clear();
    this.#seen.set(key, now);
    return true;
  }
}

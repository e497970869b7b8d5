import { seededRandom } from '@diskferry/server-adapter/testing/random-operations';

/** Numbers at which programs make mistakes. */
const EDGES = [
  0n,
  1n,
  7n,
  8n,
  511n,
  512n,
  513n,
  4095n,
  4096n,
  4097n,
  2n ** 15n,
  2n ** 16n - 1n,
  2n ** 25n,
  2n ** 25n + 1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 512n,
  2n ** 64n - 1n,
];

/** Choices that are the same again for the same seed. */
export class Chance {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Whether something of that probability happens. */
  happens(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number from 0 to `end`, without `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let place = 0; place < length; place++) bytes[place] = this.below(256);
    return bytes;
  }

  /** A number of at most 64 bits at which programs make mistakes. */
  edge(): bigint {
    return this.pick(EDGES);
  }
}

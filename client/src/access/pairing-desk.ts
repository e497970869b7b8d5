import { performance } from 'node:perf_hooks';
import type { PairingChannel } from '@diskferry/trust/pairing';
import { createPairingCode } from '@diskferry/trust/pairing-code';
import { AccessError } from './peer.ts';

/** A code is replaced when so many tries with it were begun and did not succeed. */
const TRIES_PER_CODE = 5;
/** The wait after a first failure, in ms; it doubles with each further one. */
const FIRST_DELAY_MS = 1_000;
/** At one guess a minute, a code of 40 bits is not found in a million years. */
const MAX_DELAY_MS = 60_000;

/** One try of one server. */
export interface PairingTry {
  /**
   * Takes the server's share; returns the own one.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  answer(serverShare: Uint8Array): Uint8Array;
  /**
   * Takes the server's proof; returns the own one. The code is used up then.
   *
   * @throws {TrustError} `PAIRING_FAILED`
   */
  verify(serverProof: Uint8Array): Uint8Array;
}

export interface PairingDeskOptions {
  /** Monotonic time in ms. */
  readonly now?: () => number;
  readonly createCode?: () => string;
}

/**
 * Holds the code that the screen shows, and limits the tries. A try counts as wrong from its beginning until its proof was
 * right, so that whoever breaks off has guessed all the same; and no second one begins while the wait for the first lasts,
 * so that tries side by side gain nothing.
 */
export class PairingDesk {
  readonly #now: () => number;
  readonly #createCode: () => string;
  #code: string;
  #triesOfCode = 0;
  /** Without a success between them. */
  #failures = 0;
  #nextTryAt = 0;

  constructor({ now = () => performance.now(), createCode = createPairingCode }: PairingDeskOptions = {}) {
    this.#now = now;
    this.#createCode = createCode;
    this.#code = createCode();
  }

  /** What the screen shows now. */
  get code(): string {
    return this.#code;
  }

  /** @throws {AccessError} `PAIRING_DELAYED` */
  async begin(channel: PairingChannel): Promise<PairingTry> {
    this.#refuseWhileDelayed();
    const code = this.#code;
    this.#countFailure();
    // Not before it is needed: its arithmetic takes 10 MB of memory.
    const { PairingClient } = await import('@diskferry/trust/pairing');
    const attempt = new PairingClient(code, channel);
    let isGuessed = false;
    return {
      answer: (serverShare) => attempt.answer(serverShare),
      verify: (serverProof) => {
        // One proof a try: a second one would be a second guess.
        const guess = isGuessed ? new Uint8Array() : serverProof;
        isGuessed = true;
        const proof = attempt.verify(guess);
        this.#succeed();
        return proof;
      },
    };
  }

  #refuseWhileDelayed(): void {
    const waitMs = this.#nextTryAt - this.#now();
    if (waitMs <= 0) return;
    throw new AccessError(
      'PAIRING_DELAYED',
      `after ${this.#failures} tries with a wrong code, the next one is taken in ${Math.ceil(waitMs / 1000)} s; read the ` +
        'code on the screen of that computer again',
    );
  }

  #countFailure(): void {
    this.#failures++;
    this.#nextTryAt = this.#now() + Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 1));
    // The try that is under way goes on with the old code, which nobody can begin with any more.
    if (++this.#triesOfCode >= TRIES_PER_CODE) this.#replaceCode();
  }

  #succeed(): void {
    this.#failures = 0;
    this.#nextTryAt = 0;
    this.#replaceCode();
  }

  #replaceCode(): void {
    this.#code = this.#createCode();
    this.#triesOfCode = 0;
  }
}

/** Notices that a peer owes an answer and says nothing. One timer for all requests, touched rarely. */
export class SilenceWatch {
  readonly #timeoutMs: number;
  readonly #onSilence: () => void;
  #waitMs: number;
  #lastHeard = 0;
  #timer: NodeJS.Timeout | undefined;
  #expecting = false;

  constructor({ timeoutMs, onSilence }: { readonly timeoutMs: number; readonly onSilence: () => void }) {
    this.#timeoutMs = timeoutMs;
    this.#waitMs = timeoutMs;
    this.#onSilence = onSilence;
  }

  /**
   * The peer owes an answer; called when it owed none before, or after silence.
   *
   * @param timeoutMs how long it may be silent from now on, if not as long as usual
   */
  expect(timeoutMs: number = this.#timeoutMs): void {
    this.#expecting = true;
    this.#waitMs = timeoutMs;
    this.heard();
    this.#timer ??= this.#start(timeoutMs);
  }

  /** Something came from the peer. */
  heard(): void {
    this.#lastHeard = performance.now();
  }

  /** The peer owes nothing any more. The timer runs out by itself, so that busy connections need not restart it. */
  satisfied(): void {
    this.#expecting = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#expecting = false;
  }

  #start(ms: number): NodeJS.Timeout {
    const timer = setTimeout(() => this.#check(), ms);
    // A connection is kept alive by its socket.
    timer.unref();
    return timer;
  }

  #check(): void {
    this.#timer = undefined;
    if (!this.#expecting) return;
    const left = this.#lastHeard + this.#waitMs - performance.now();
    if (left <= 0) this.#onSilence();
    else this.#timer = this.#start(Math.ceil(left));
  }
}

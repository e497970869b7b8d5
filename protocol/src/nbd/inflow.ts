import type { Duplex } from 'node:stream';

/** What arrives on a stream, for a reader that asks for it chunk by chunk and makes the peer wait if it is slow. */
export class Inflow {
  readonly #stream: Duplex;
  readonly #waiting: Buffer[] = [];
  #reader: ((chunk: Buffer | undefined) => void) | undefined;
  #ended = false;
  #stopped = false;
  readonly #onData = (chunk: Buffer): void => this.#arrived(chunk);
  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#settle(undefined);
  };

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('close', this.#onEnd);
  }

  /** Whether the reader waits for the peer. */
  get awaited(): boolean {
    return this.#reader !== undefined;
  }

  /** The next bytes; undefined at the end, whatever ended the stream. */
  next(): Promise<Buffer | undefined> {
    const chunk = this.#waiting.shift();
    if (chunk !== undefined) {
      if (this.#waiting.length === 0) this.#stream.resume();
      return Promise.resolve(chunk);
    }
    if (this.#ended || this.#stopped) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#reader = resolve;
    });
  }

  /** Ends the reader's wait as if the peer had hung up. */
  stop(): void {
    this.#stopped = true;
    this.#settle(undefined);
  }

  /** Throws away what comes until the peer has hung up. */
  async discard(): Promise<void> {
    this.#stopped = false;
    while ((await this.next()) !== undefined);
  }

  /** Leaves the stream to another reader; whether all that had arrived was read. */
  detach(): boolean {
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onEnd);
    this.#stream.pause();
    return this.#waiting.length === 0 && this.#stream.readableLength === 0;
  }

  #arrived(chunk: Buffer): void {
    if (this.#settle(chunk)) return;
    this.#waiting.push(chunk);
    this.#stream.pause();
  }

  /** Gives the reader what it waits for; whether it waits. */
  #settle(chunk: Buffer | undefined): boolean {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.(chunk);
    return reader !== undefined;
  }
}

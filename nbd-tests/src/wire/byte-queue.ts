import type { Duplex } from 'node:stream';

/** What arrives on a stream, taken in pieces of the length that is wanted. */
export class ByteQueue {
  readonly #stream: Duplex;
  #chunks: Buffer[] = [];
  #length = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (chunk: Buffer) => {
      // A copy: the chunk may be a view of memory that is used again.
      this.#chunks.push(Buffer.from(chunk));
      this.#length += chunk.length;
      this.#notify();
    });
    for (const event of ['end', 'close', 'error']) {
      stream.on(event, () => {
        this.#ended = true;
        this.#notify();
      });
    }
  }

  /** Whether the other side has hung up. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that have arrived and were not taken. */
  get length(): number {
    return this.#length;
  }

  /** @throws {Error} if the other side hangs up before */
  async take(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#ended) throw new Error(`the other side hung up; ${this.#length} of ${length} bytes came`);
      await this.#something();
    }
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    const [all = Buffer.alloc(0)] = this.#chunks;
    this.#chunks = length === all.length ? [] : [all.subarray(length)];
    this.#length -= length;
    return all.subarray(0, length);
  }

  /** Waits until the other side hangs up; all that came before. */
  async takeToEnd(): Promise<Buffer> {
    while (!this.#ended) await this.#something();
    return this.take(this.#length);
  }

  hangUp(): void {
    this.#stream.destroy();
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

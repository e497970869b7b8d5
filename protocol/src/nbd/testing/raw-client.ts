import type { Duplex } from 'node:stream';

/** The other side has hung up before what was waited for had come. */
export class HungUpError extends Error {
  override name = 'HungUpError';
}

/** Talks to a server in raw bytes. */
export class RawClient {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('error', () => {});
  }

  send(...messages: Uint8Array[]): void {
    this.#stream.write(Buffer.concat(messages));
  }

  /** The next `length` bytes. */
  async receive(length: number): Promise<Buffer> {
    for (;;) {
      if (length === 0) return Buffer.alloc(0);
      const bytes = this.#stream.read(length) as Buffer | null;
      if (bytes?.length === length) return bytes;
      if (this.#stream.readableEnded || this.#stream.destroyed) {
        throw new HungUpError(`the server hung up; ${bytes?.length ?? 0} bytes came instead of ${length}`);
      }
      await this.#something();
    }
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      const settle = (): void => {
        this.#stream.off('readable', settle);
        this.#stream.off('close', settle);
        // A stream that holds too little says at once that it is readable, again and again: let more come first.
        setImmediate(resolve);
      };
      this.#stream.on('readable', settle);
      this.#stream.on('close', settle);
    });
  }

  /**
   * Waits until the other side hangs up; what it sent before. A reset is an end like any other: it comes in place of one where the
   * other side has left something unread.
   */
  async receiveToEnd(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    this.#stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    if (!this.#stream.closed) await new Promise((resolve) => this.#stream.once('close', resolve));
    return Buffer.concat(chunks);
  }

  hangUp(): void {
    this.#stream.destroy();
  }
}

/** Buffers that are never needed at once are dropped, so that a burst does not hold its memory for ever. */
const MAX_IDLE = 32;

/** Large buffers of one size, used again and again: allocating a megabyte per request costs more than the request. */
export class BufferPool {
  readonly #size: number;
  readonly #idle: Buffer[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** A buffer with any contents, of the pool's size. */
  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.#size);
  }

  /** Gives a buffer back; nothing may use it afterwards. */
  give(buffer: Buffer): void {
    if (this.#idle.length < MAX_IDLE) this.#idle.push(buffer);
  }
}

/** Space in front of each payload for the header of a reply, so that both leave in one piece without a copy. */
export const HEADROOM_BYTES = 64;
const SMALLEST_CLASS_BYTES = 4096;

/**
 * Reuses payload buffers, because new memory costs more than the transfer of a block (it must be mapped, and zeroed
 * by the kernel). Buffers come in powers of two.
 */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #maxBytes: number;
  #lentBytes = 0;
  #freeBytes = 0;

  /** @param options.maxBytes bytes of payload that are in use and kept for reuse together; more are made, but not kept */
  constructor({ maxBytes }: { readonly maxBytes: number }) {
    this.#maxBytes = maxBytes;
  }

  /** A buffer with {@link HEADROOM_BYTES} and then at least `length` bytes, of any content. */
  take(length: number): Buffer {
    const size = bufferBytes(length);
    this.#lentBytes += size;
    const buffer = this.#free.get(size)?.pop();
    if (buffer !== undefined) {
      this.#freeBytes -= size;
      return buffer;
    }
    if (this.#lentBytes + this.#freeBytes > this.#maxBytes) this.clear();
    return Buffer.allocUnsafeSlow(HEADROOM_BYTES + size);
  }

  /** Takes a buffer back that nobody uses any more. */
  give(buffer: Buffer): void {
    const size = buffer.length - HEADROOM_BYTES;
    this.#lentBytes -= size;
    if (this.#lentBytes + this.#freeBytes + size > this.#maxBytes) return;
    this.#freeBytes += size;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }

  /** Forgets what is not in use. */
  clear(): void {
    this.#free.clear();
    this.#freeBytes = 0;
  }
}

/** Bytes of payload for which there is room in a buffer for `length` bytes. */
export function bufferBytes(length: number): number {
  let size = SMALLEST_CLASS_BYTES;
  while (size < length) size *= 2;
  return size;
}

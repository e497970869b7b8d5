/** Space in front of each payload for the header of a reply, so that both leave in one piece without a copy. */
export const HEADROOM_BYTES = 64;
const SMALLEST_CLASS_BYTES = 4096;

/**
 * Reuses payload buffers, because new memory costs more than the transfer of a block (it must be mapped, and zeroed
 * by the kernel). Buffers come in powers of two.
 */
export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #maxRetainedBytes: number;
  #retainedBytes = 0;

  constructor({ maxRetainedBytes }: { readonly maxRetainedBytes: number }) {
    this.#maxRetainedBytes = maxRetainedBytes;
  }

  /** A buffer with {@link HEADROOM_BYTES} and then at least `length` bytes, of any content. */
  take(length: number): Buffer {
    const size = classOf(length);
    const buffer = this.#free.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(HEADROOM_BYTES + size);
    this.#retainedBytes -= buffer.length;
    return buffer;
  }

  /** Takes a buffer back that nobody uses any more. */
  give(buffer: Buffer): void {
    if (this.#retainedBytes + buffer.length > this.#maxRetainedBytes) return;
    this.#retainedBytes += buffer.length;
    const size = buffer.length - HEADROOM_BYTES;
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [buffer]);
    else free.push(buffer);
  }
}

function classOf(length: number): number {
  let size = SMALLEST_CLASS_BYTES;
  while (size < length) size *= 2;
  return size;
}

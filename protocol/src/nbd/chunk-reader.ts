/** What a reader gives while the bytes it is asked for have not all arrived. */
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a sequence of chunks into fields, wherever the chunks were cut. Bytes of a chunk are copied only when a
 * field spans two chunks, or when the caller says where they go. A chunk may be reused by its owner as soon as
 * a call has answered undefined.
 */
export class ChunkReader {
  /** The start of a field that is not complete yet. */
  #carry: Buffer = NOTHING;
  #carried = 0;
  #chunk: Buffer = NOTHING;
  #position = 0;

  /** Whether all bytes that arrived were taken. */
  get isEmpty(): boolean {
    return this.#carried === 0 && this.#position === this.#chunk.length;
  }

  /** Adds bytes; those of the chunk before must be used up. */
  push(chunk: Uint8Array): void {
    const added = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const left = this.#chunk.length - this.#position;
    this.#chunk = left === 0 ? added : Buffer.concat([this.#chunk.subarray(this.#position), added]);
    this.#position = 0;
  }

  /**
   * The next `length` bytes, valid until the next call, or undefined until they have all arrived. The caller must have
   * checked `length` against a limit, and go on asking for at least that many until it has taken them.
   */
  take(length: number): Buffer | undefined {
    const bytes = this.peek(length);
    if (bytes === undefined) return undefined;
    if (this.#carried === 0) this.#position += length;
    this.#carried = 0;
    return bytes;
  }

  /** Like {@link take}, but the bytes stay to be taken. */
  peek(length: number): Buffer | undefined {
    if (this.#carried === 0 && this.#chunk.length - this.#position >= length) {
      return this.#chunk.subarray(this.#position, this.#position + length);
    }
    if (this.#carry.length < length) this.#growCarry(length);
    if (this.#carried < length) this.#carried += this.copyTo(this.#carry, this.#carried, length);
    return this.#carried < length ? undefined : this.#carry.subarray(0, length);
  }

  /** Moves arrived bytes to `target` from `start`, at most up to `end`; returns how many. */
  copyTo(target: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.#chunk.length - this.#position);
    if (length === 0) return 0;
    this.#chunk.copy(target, start, this.#position, this.#position + length);
    this.#position += length;
    return length;
  }

  /** Drops arrived bytes, at most `length`; returns how many. */
  skip(length: number): number {
    const skipped = Math.min(length, this.#chunk.length - this.#position);
    this.#position += skipped;
    return skipped;
  }

  #growCarry(length: number): void {
    const larger = Buffer.allocUnsafe(length);
    this.#carry.copy(larger, 0, 0, this.#carried);
    this.#carry = larger;
  }
}

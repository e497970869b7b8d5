import type { Disk } from '@diskferry/protocol/disk';
import type { BufferPool } from '../buffer-pool.ts';

/** A range that is read before it is asked for. Its buffer goes back to the pool when nobody needs it any more. */
export class Chunk {
  readonly start: number;
  /** The first byte behind it. */
  readonly end: number;
  /** Resolves, when its bytes are there or cannot be had, with whether they are there. */
  readonly loaded: Promise<boolean>;
  readonly #buffer: Buffer;
  readonly #pool: BufferPool;
  /** The stream that keeps it and the read that fills it; then those who look at it. */
  #holders = 2;
  #unreadBytes: number;

  /** Begins to read at once. */
  constructor(
    disk: Disk,
    { start, end }: { readonly start: number; readonly end: number },
    pool: BufferPool,
  ) {
    this.start = start;
    this.end = end;
    this.#pool = pool;
    this.#buffer = pool.take();
    this.#unreadBytes = end - start;
    this.loaded = this.#load(disk);
  }

  /** Whether each byte was asked for, so that it will hardly be asked for again. */
  get isUsedUp(): boolean {
    return this.#unreadBytes <= 0;
  }

  /** The bytes that it shares with a range, for one who holds it. */
  bytes(start: number, end: number): Uint8Array {
    const from = Math.max(start, this.start) - this.start;
    const to = Math.min(end, this.end) - this.start;
    return this.#buffer.subarray(from, to);
  }

  /** Notes that a range is asked for, and keeps the bytes until {@link release}. */
  hold(start: number, end: number): void {
    this.#holders++;
    this.#unreadBytes -= Math.min(end, this.end) - Math.max(start, this.start);
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) this.#pool.give(this.#buffer);
  }

  async #load(disk: Disk): Promise<boolean> {
    try {
      await disk.read(this.start, this.#buffer.subarray(0, this.end - this.start));
      return true;
    } catch {
      // Whoever needs these bytes reads them again and gets the error.
      return false;
    } finally {
      this.release();
    }
  }
}

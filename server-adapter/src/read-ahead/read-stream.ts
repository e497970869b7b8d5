import type { Disk } from '@diskferry/protocol/disk';
import type { BufferPool } from '../buffer-pool.ts';
import { Chunk } from './chunk.ts';

/** How much is read ahead by one request, in bytes; the NBD client splits longer ones, shorter ones wake more programs. */
export const CHUNK_BYTES = 1024 * 1024;
/** What is read ahead shall save so many requests of the reader, to be worth one of its own. */
const MIN_REQUESTS_AHEAD = 8;
/** Bounds of that, in bytes. The small files of a folder lie in a row, often of some hundred KiB only. */
const MIN_AHEAD_BYTES = { least: 32 * 1024, most: 512 * 1024 };
/** How far one stream is read ahead at most, in bytes: enough for 1 Gbit/s at 30 ms, and soon read where it is slow. */
const MAX_AHEAD_BYTES = 4 * 1024 * 1024;
/** A stream reads ahead this part of what it was read, which bounds the bytes that are fetched in vain. */
const AHEAD_SHARE = 1 / 4;
/** What is read ahead ends at multiples of this after the request, in bytes: whole sectors. */
const AHEAD_STEP_BYTES = 32 * 1024;
/** Requests that are under way at once come in any order: how far one may lie behind the furthest, in bytes. */
const DISORDER_BYTES = 1024 * 1024;
/** How much a reader may skip and still count as reading in order, in bytes. */
const GAP_BYTES = 128 * 1024;

/** Requests that follow each other on a disk, and what was read ahead of them. */
export class ReadStream {
  readonly #disk: Disk;
  readonly #pool: BufferPool;
  /** In order and without gaps. */
  #chunks: Chunk[] = [];
  /** Behind the furthest byte that was asked for. */
  #next: number;
  #requestedBytes: number;
  #requests = 1;

  /** Begins with a request. */
  constructor(disk: Disk, pool: BufferPool, offset: number, length: number) {
    this.#disk = disk;
    this.#pool = pool;
    this.#next = offset + length;
    this.#requestedBytes = length;
  }

  /** Whether it is long enough to be read ahead. */
  get isLong(): boolean {
    const { least, most } = MIN_AHEAD_BYTES;
    const saving = (this.#requestedBytes / this.#requests) * MIN_REQUESTS_AHEAD;
    return this.#aheadBytes >= Math.min(most, Math.max(least, saving));
  }

  /** Whether a request is likely to be the continuation. */
  isFollowedBy(offset: number): boolean {
    return offset >= this.#next - DISORDER_BYTES && offset <= this.#next + GAP_BYTES;
  }

  /** Whether bytes from `offset` are there or on their way. */
  has(offset: number): boolean {
    const [first] = this.#chunks;
    return first !== undefined && first.start <= offset && offset < this.#end;
  }

  /** Notes a request, and reads ahead of it if the stream is long. */
  advance(offset: number, length: number): void {
    this.#next = Math.max(this.#next, offset + length);
    this.#requestedBytes += length;
    this.#requests += 1;
    this.#readAhead(offset);
  }

  /** Shows the bytes of a range that begins where {@link has} is true and was noted by {@link advance}. */
  async lend(offset: number, length: number, use: (parts: readonly Uint8Array[]) => void): Promise<boolean> {
    const end = offset + length;
    const chunks = this.#chunks.filter((chunk) => chunk.start < end && offset < chunk.end);
    for (const chunk of chunks) chunk.hold(offset, end);
    this.#dropUsed();
    try {
      for (const chunk of chunks) {
        if (await chunk.loaded) continue;
        this.#startAnew();
        return false;
      }
      use(chunks.map((chunk) => chunk.bytes(offset, end)));
      return true;
    } finally {
      for (const chunk of chunks) chunk.release();
    }
  }

  /** Forgets what was read ahead of a range that changes, and behind it. */
  forget(start: number, end: number): void {
    const first = this.#chunks.findIndex((chunk) => chunk.start < end && start < chunk.end);
    if (first >= 0) this.#drop(this.#chunks.splice(first));
  }

  forgetAll(): void {
    this.#drop(this.#chunks.splice(0));
  }

  get #aheadBytes(): number {
    const share = this.#requestedBytes * AHEAD_SHARE;
    return Math.min(MAX_AHEAD_BYTES, share - (share % AHEAD_STEP_BYTES));
  }

  get #end(): number {
    return this.#chunks.at(-1)?.end ?? 0;
  }

  #readAhead(offset: number): void {
    if (!this.isLong) return;
    // A reader that skipped what is read ahead goes on where it is now.
    if (this.#end < this.#next && !this.has(offset)) this.forgetAll();
    const { size } = this.#disk;
    const limit = Math.min(size, this.#next + this.#aheadBytes);
    let start = this.#chunks.length === 0 ? this.#next : this.#end;
    while (start < limit) {
      let end = Math.min(size, start - (start % CHUNK_BYTES) + CHUNK_BYTES);
      // Only whole chunks, but all that the request itself needs, and something in front of who begins.
      if (end > limit && start >= this.#next) {
        if (this.#chunks.length > 0) break;
        end = limit;
      }
      this.#chunks.push(new Chunk(this.#disk, { start, end }, this.#pool));
      start = end;
    }
  }

  #dropUsed(): void {
    const isDone = (chunk: Chunk): boolean => chunk.isUsedUp || chunk.end <= this.#next - DISORDER_BYTES;
    while (this.#chunks[0] !== undefined && isDone(this.#chunks[0])) this.#drop(this.#chunks.splice(0, 1));
  }

  /** After a failure: a disk with bad places is not asked for more than what is wanted. */
  #startAnew(): void {
    this.forgetAll();
    this.#requestedBytes = 0;
    this.#requests = 1;
  }

  #drop(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) chunk.release();
  }
}

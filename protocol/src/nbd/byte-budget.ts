import { BufferPool, bufferBytes } from './buffer-pool.ts';
import { MAX_BYTES_IN_FLIGHT_IN_ALL } from './limits.ts';

/**
 * Memory for payloads that all connections of a server share, so that it stays bounded however many there are. Connections
 * that wait for memory get it in turn.
 */
export class ByteBudget {
  readonly pool: BufferPool;
  readonly #limit: number;
  #used = 0;
  #shares = 0;
  /** Shares with a request that only waits for the others. */
  readonly #queue: BudgetShare[] = [];

  constructor(limit: number = MAX_BYTES_IN_FLIGHT_IN_ALL) {
    this.#limit = limit;
    this.pool = new BufferPool({ maxBytes: limit });
  }

  /** Bytes that are in use. */
  get used(): number {
    return this.#used;
  }

  /** The part of one connection, which may use so many bytes at a time. */
  share(limit: number): BudgetShare {
    this.#shares++;
    return new BudgetShare(limit, {
      take: (bytes) => this.#take(bytes),
      wait: (share) => this.#queue.push(share),
      giveBack: (bytes) => {
        this.#used -= bytes;
        this.#serveQueue();
      },
      leave: () => {
        this.#shares--;
        // An idle server should not keep the memory of its busiest time.
        if (this.#shares === 0) this.pool.clear();
      },
    });
  }

  /** Whoever is larger than the whole budget is served alone. */
  #take(bytes: number): boolean {
    if (this.#queue.length > 0 || !this.#fits(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }

  #serveQueue(): void {
    for (let [share] = this.#queue; share !== undefined; [share] = this.#queue) {
      const bytes = share.wanted;
      if (bytes !== undefined) {
        if (!this.#fits(bytes)) return;
        this.#used += bytes;
      }
      this.#queue.shift();
      share.granted(bytes);
    }
  }
}

interface Whole {
  take(bytes: number): boolean;
  wait(share: BudgetShare): void;
  giveBack(bytes: number): void;
  leave(): void;
}

/** What one connection uses of a {@link ByteBudget}. Its requests get memory in the order in which they ask. */
export class BudgetShare {
  readonly #limit: number;
  readonly #whole: Whole;
  readonly #requests: { readonly bytes: number; readonly settle: (granted: boolean) => void }[] = [];
  #used = 0;
  #inQueue = false;
  #closed = false;

  constructor(limit: number, whole: Whole) {
    this.#limit = limit;
    this.#whole = whole;
  }

  /** Asks for the memory of a buffer for `length` bytes of payload: true, or a promise of it that is false when the share is closed. */
  acquire(length: number): true | Promise<boolean> {
    const bytes = bufferBytes(length);
    if (this.#closed) return Promise.resolve(false);
    if (this.#requests.length === 0 && this.#fits(bytes) && this.#whole.take(bytes)) {
      this.#used += bytes;
      return true;
    }
    return new Promise((settle) => {
      this.#requests.push({ bytes, settle });
      this.#queueUp();
    });
  }

  /** Gives back what was acquired for `length` bytes of payload. */
  release(length: number): void {
    const bytes = bufferBytes(length);
    this.#used -= bytes;
    this.#whole.giveBack(bytes);
    this.#queueUp();
  }

  /** Refuses whoever waits or comes later. What is in use must still be given back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#whole.leave();
    for (const { settle } of this.#requests.splice(0)) settle(false);
  }

  // What the budget asks and tells

  /** Bytes for the first request that waits; undefined if none does any more. */
  get wanted(): number | undefined {
    return this.#requests[0]?.bytes;
  }

  granted(bytes: number | undefined): void {
    this.#inQueue = false;
    if (bytes === undefined) return;
    this.#used += bytes;
    this.#requests.shift()?.settle(true);
    this.#queueUp();
  }

  #queueUp(): void {
    const [first] = this.#requests;
    if (first === undefined || this.#inQueue || !this.#fits(first.bytes)) return;
    if (this.#whole.take(first.bytes)) {
      this.granted(first.bytes);
    } else {
      this.#inQueue = true;
      this.#whole.wait(this);
    }
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#limit;
  }
}

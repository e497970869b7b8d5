import type { Duplex } from 'node:stream';

/**
 * Of longer messages, in bytes, the stream is given one at a time. TLS would copy all that wait into one piece and encrypt that at
 * once, past the caches of the processor; small ones gain by leaving together.
 */
const LONG_MESSAGE_BYTES = 32 * 1024;

/** Something that waits until what was sent before it has been handed to the stream. */
type Waiting =
  | { readonly kind: 'message'; readonly bytes: Uint8Array; readonly onLeft: (() => void) | undefined }
  | { readonly kind: 'turn'; readonly alone: boolean; readonly grant: (granted: boolean) => void };

/**
 * What leaves on a stream: messages in the order in which they are sent. A message of several parts can hold the stream
 * so that nothing comes between them.
 */
export class Outflow {
  readonly #stream: Duplex;
  /** For each write that the stream has and the peer's kernel has not: what to do when it has left. */
  readonly #leaving: ((() => void) | undefined)[] = [];
  #waiting: Waiting[] = [];
  #held = false;
  #corked = false;
  #gone = false;
  /** A message is given to the stream part by part. */
  #dividing = false;
  #left = 0;
  readonly #maxWriteBytes: number;
  readonly #onLeft = (): void => this.#oneLeft();
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#stream.uncork();
  };

  /** @param options.maxWriteBytes longer messages are given to the stream in parts, each when the one before has left */
  constructor(stream: Duplex, { maxWriteBytes = Number.POSITIVE_INFINITY } = {}) {
    this.#stream = stream;
    this.#maxWriteBytes = maxWriteBytes;
    // Streams other than sockets forget their callbacks when they are destroyed.
    stream.on('close', () => this.#lose());
  }

  /** The stream was destroyed: whatever is sent is dropped. */
  get gone(): boolean {
    return this.#gone || this.#stream.destroyed;
  }

  /** How many messages and parts of messages have left, and whether there are more that have not. */
  get progress(): { readonly left: number; readonly pending: boolean } {
    return { left: this.#left, pending: this.#leaving.length > 0 };
  }

  /** Nothing is on its way, and nobody holds the stream. */
  get idle(): boolean {
    return !this.#held && this.#waiting.length === 0 && this.#leaving.length === 0;
  }

  /** Sends a message; `onLeft` is called when its bytes are not used any more, also if the stream breaks. */
  send(bytes: Uint8Array, onLeft?: () => void): void {
    if (!this.gone && (this.#held || this.#waiting.length > 0 || this.#mustWait(bytes))) {
      this.#waiting.push({ kind: 'message', bytes, onLeft });
    } else {
      this.#write(bytes, onLeft);
    }
  }

  /** The same, and waits until it has left. */
  sent(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.send(bytes, resolve));
  }

  /**
   * Waits until the caller alone may send, with `alone` until all that was sent before has left too. Who was granted it
   * must {@link release} it; false if the stream broke.
   */
  hold({ alone = false } = {}): Promise<boolean> {
    if (this.gone) return Promise.resolve(false);
    if (!this.#held && this.#waiting.length === 0 && !this.#turnMustWait(alone)) {
      this.#held = true;
      return Promise.resolve(true);
    }
    return new Promise((grant) => this.#waiting.push({ kind: 'turn', alone, grant }));
  }

  /** A part of a message, for who holds the stream; not before the part before it has left. */
  sendHeld(bytes: Uint8Array, onLeft?: () => void): void {
    this.#write(bytes, onLeft);
  }

  /** The same, and waits until it has left. */
  sentHeld(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.sendHeld(bytes, resolve));
  }

  release(): void {
    this.#held = false;
    this.#advance();
  }

  #write(bytes: Uint8Array, onLeft: (() => void) | undefined): void {
    if (this.gone) {
      onLeft?.();
      return;
    }
    this.#leaving.push(onLeft);
    // Short answers that are ready in the same turn of the event loop leave together.
    if (!this.#corked && bytes.length < LONG_MESSAGE_BYTES) {
      this.#corked = true;
      this.#stream.cork();
      setImmediate(this.#uncork);
    }
    this.#give(bytes);
  }

  #give(bytes: Uint8Array): void {
    this.#dividing = bytes.length > this.#maxWriteBytes;
    if (!this.#dividing) {
      this.#stream.write(bytes, this.#onLeft);
      return;
    }
    this.#stream.write(bytes.subarray(0, this.#maxWriteBytes), () => {
      this.#left++;
      // If the stream broke, all that waits is let go at once.
      if (!this.gone) this.#give(bytes.subarray(this.#maxWriteBytes));
    });
  }

  /** Streams call back in the order of the writes. */
  #oneLeft(): void {
    if (this.#leaving.length === 0) return;
    this.#left++;
    this.#leaving.shift()?.();
    this.#advance();
  }

  #mustWait(bytes: Uint8Array): boolean {
    return this.#dividing || (this.#leaving.length > 0 && bytes.length >= LONG_MESSAGE_BYTES);
  }

  #turnMustWait(alone: boolean): boolean {
    return this.#dividing || (alone && this.#leaving.length > 0);
  }

  #advance(): void {
    while (!this.#held) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      if (next.kind === 'turn' && this.#turnMustWait(next.alone)) return;
      if (next.kind === 'message' && this.#mustWait(next.bytes)) return;
      this.#waiting.shift();
      if (next.kind === 'message') {
        this.#write(next.bytes, next.onLeft);
      } else {
        this.#held = true;
        next.grant(true);
      }
    }
  }

  #lose(): void {
    this.#gone = true;
    for (const onLeft of this.#leaving.splice(0)) onLeft?.();
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.kind === 'message') waiting.onLeft?.();
      else waiting.grant(false);
    }
  }
}

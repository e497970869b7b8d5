import { alignOutwards } from './aligned-range.ts';
import { HEADROOM_BYTES } from './buffer-pool.ts';
import type { Request } from './requests.ts';
import type { ReadContext } from './server-reads.ts';

/** Below this, copying the data is cheaper than finding out whether it lies in memory. */
export const MIN_UNCOPIED_BYTES = 32 * 1024;
/**
 * What is copied and given to the stream when the socket takes no more or a page is not in memory: the stream tells when
 * it has left, and then the socket has room again.
 */
const COPY_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);

/** Answers READ of up to PIECE_BYTES out of the memory that the kernel has of the disk, without a copy, past the stream of the socket. */
export class CachedReadAnswers {
  readonly #context: ReadContext;
  readonly #socket: number;
  readonly #header = Buffer.allocUnsafeSlow(HEADROOM_BYTES);
  /** The part of it that is used. */
  #headerBytes = this.#header;
  /** As the header: only who holds the outflow uses it, so that there is one for all requests. */
  #copy: Buffer | undefined;

  /** @param socket file descriptor of the socket that the outflow leads to */
  constructor(context: ReadContext, socket: number) {
    this.#context = context;
    this.#socket = socket;
  }

  /**
   * True if the whole answer has left; a promise if it is on its way, false if nothing was sent, because the data is not in
   * memory. The promise never rejects. Without one if possible, because its cost is seen at thousands of requests a second.
   */
  answer(request: Request): true | Promise<boolean> {
    const { outflow } = this.#context;
    if (!outflow.idle || outflow.gone) return this.#answerInTurn(request);
    const sent = this.#begin(request);
    if (sent === this.#headerBytes.length + request.length) {
      this.#context.format.dataLeaves(request, request);
      return true;
    }
    // Granted at once, because nobody holds it.
    void outflow.hold({ alone: true });
    return this.#goOn(request, sent);
  }

  async #answerInTurn(request: Request): Promise<boolean> {
    // While other answers leave, the disk works better on what is not in memory.
    if (!this.#has(request.offset, request.length)) return false;
    if (!(await this.#context.outflow.hold({ alone: true }))) return true;
    return this.#goOn(request, this.#begin(request));
  }

  /** Sends what the socket takes of header and data at once; returns how many bytes. */
  #begin(request: Request): number {
    const { format } = this.#context;
    const start = format.writeDataHeader(this.#header, HEADROOM_BYTES, request, { ...request, done: true });
    this.#headerBytes = this.#header.subarray(start);
    return this.#sendCached(this.#headerBytes, request.offset, request.offset + request.length);
  }

  /** Sends the rest of an answer, for who holds the outflow, and releases it. */
  async #goOn(request: Request, sent: number): Promise<boolean> {
    try {
      return await this.#sendRest(request, sent);
    } catch {
      // The answer has begun, and says that it succeeds.
      this.#context.hangUp();
      return true;
    } finally {
      this.#context.outflow.release();
    }
  }

  async #sendRest(request: Request, sent: number): Promise<boolean> {
    const { format, outflow } = this.#context;
    // The socket may be full, of answers that the kernel has not sent yet.
    if (sent === 0 && !this.#has(request.offset, request.length)) return false;
    format.dataLeaves(request, request);
    const header = this.#headerBytes;
    const end = request.offset + request.length;
    if (sent < header.length) outflow.sendHeld(header.subarray(sent));
    let at = request.offset + Math.max(0, sent - header.length);
    while (at < end && !outflow.gone) {
      at += await this.#sendCopy(at, Math.min(COPY_BYTES, end - at));
      for (let more = 1; more > 0 && at < end; at += more) more = this.#sendCached(NOTHING, at, end);
    }
    return true;
  }

  #has(offset: number, length: number): boolean {
    return this.#context.served.disk.cache?.has(offset, length) ?? false;
  }

  #sendCached(header: Uint8Array, offset: number, end: number): number {
    if (this.#context.outflow.gone) return 0;
    return this.#context.served.disk.cache?.send(this.#socket, header, offset, end - offset) ?? 0;
  }

  /** Sends a part in the usual way, and waits until it has left; returns its length. */
  async #sendCopy(offset: number, length: number): Promise<number> {
    const { served, outflow } = this.#context;
    const sector = served.blockSizes.minimum;
    const range = alignOutwards(offset, length, sector);
    this.#copy ??= Buffer.allocUnsafeSlow(COPY_BYTES + 2 * sector);
    const target = this.#copy.subarray(0, range.length);
    if (served.disk.cache?.read(range.offset, target) !== true) await served.disk.read(range.offset, target);
    await outflow.sentHeld(target.subarray(range.before, range.before + length));
    return length;
  }
}

import type { BudgetShare } from './byte-budget.ts';
import { type BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';
import { type AlignedRange, alignOutwards } from './aligned-range.ts';
import { COMMAND_FLAG } from './constants.ts';
import { describeError } from './errno.ts';
import { PIECE_BYTES } from './limits.ts';
import type { Outflow } from './outflow.ts';
import type { ReplyFormat } from './reply-format.ts';
import type { Request } from './requests.ts';
import type { ServedExport } from './served-export.ts';
import { CachedReadAnswers, MIN_UNCOPIED_BYTES } from './server-cached-reads.ts';

export interface ReadContext {
  readonly served: ServedExport;
  readonly format: ReplyFormat;
  readonly outflow: Outflow;
  readonly share: BudgetShare;
  readonly pool: BufferPool;
  /** File descriptor of the socket that the outflow leads to, if bytes may be put there past the stream. */
  readonly socket: number | undefined;
  /** Ends the connection: nothing else tells of an error in the middle of data. */
  readonly hangUp: () => void;
}

/** A part of the range of a request. Bytes. */
interface Piece {
  readonly offset: number;
  readonly length: number;
}

/** Answers READ from the disk: reads, then sends, in pieces if it is long. */
export class ReadAnswers {
  readonly #context: ReadContext;
  readonly #cached: CachedReadAnswers | undefined;

  constructor(context: ReadContext) {
    this.#context = context;
    if (context.socket !== undefined && context.served.disk.cache !== undefined) {
      this.#cached = new CachedReadAnswers(context, context.socket);
    }
  }

  /** Calls `onLeft` when the whole answer has left, or cannot leave any more. */
  answer(request: Request, onLeft: () => void): void {
    if (this.#answerNow(request, onLeft)) return;
    // Longer ones go in pieces, each of which can still fail.
    const long = request.length >= MIN_UNCOPIED_BYTES && request.length <= PIECE_BYTES;
    const answered = long && this.#cached !== undefined && this.#cached.answer(request);
    if (answered === true) onLeft();
    else void this.#answerLater(request, answered).finally(onLeft);
  }

  /** Without a promise, because at tens of thousands of requests a second these take a good part of the time. */
  #answerNow(request: Request, onLeft: () => void): boolean {
    const { served, share } = this.#context;
    const longest = this.#cached === undefined ? PIECE_BYTES : MIN_UNCOPIED_BYTES - 1;
    if (served.disk.cache === undefined || request.length > longest) return false;
    const range = alignOutwards(request.offset, request.length, served.blockSizes.minimum);
    const granted = share.acquire(range.length);
    if (granted !== true) {
      void this.#answerWhenGranted(request, range, granted).finally(onLeft);
      return true;
    }
    const buffer = this.#context.pool.take(range.length);
    if (served.disk.cache.read(range.offset, targetIn(buffer, range))) {
      this.#context.outflow.send(this.#message(request, buffer, range), () => {
        this.#giveBack(buffer, range);
        onLeft();
      });
    } else {
      void this.#readAndAnswer(request, buffer, range).finally(onLeft);
    }
    return true;
  }

  /** Never rejects. */
  async #answerLater(request: Request, answered: false | Promise<boolean>): Promise<void> {
    if (await answered) return;
    if (request.length > PIECE_BYTES) {
      await this.#answerInPieces(request);
    } else {
      const { served, share } = this.#context;
      const range = alignOutwards(request.offset, request.length, served.blockSizes.minimum);
      await this.#answerWhenGranted(request, range, share.acquire(range.length));
    }
  }

  async #answerWhenGranted(
    request: Request,
    range: AlignedRange,
    granted: true | Promise<boolean>,
  ): Promise<void> {
    if (granted !== true && !(await granted)) return;
    await this.#readAndAnswer(request, this.#context.pool.take(range.length), range);
  }

  async #readAndAnswer(request: Request, buffer: Buffer, range: AlignedRange): Promise<void> {
    const { served, format, outflow } = this.#context;
    try {
      const target = targetIn(buffer, range);
      if (served.disk.cache?.read(range.offset, target) !== true)
        await served.disk.read(range.offset, target);
      await outflow.sent(this.#message(request, buffer, range));
    } catch (error) {
      await outflow.sent(format.failure(request, describeError(error)));
    } finally {
      this.#giveBack(buffer, range);
    }
  }

  /** A whole answer, from a buffer that holds the data. */
  #message(request: Request, buffer: Buffer, { before }: AlignedRange): Buffer {
    const { format } = this.#context;
    const data = HEADROOM_BYTES + before;
    const start = format.writeDataHeader(buffer, data, request, { ...request, done: true });
    format.dataLeaves(request, request);
    return buffer.subarray(start, data + request.length);
  }

  #giveBack(buffer: Buffer, { length }: AlignedRange): void {
    this.#context.pool.give(buffer);
    this.#context.share.release(length);
  }

  /** Two buffers take turns: one is filled from the disk while the other is sent. */
  async #answerInPieces(request: Request): Promise<void> {
    const { share, pool } = this.#context;
    const granted = share.acquire(2 * PIECE_BYTES);
    if (granted !== true && !(await granted)) return;
    const buffers = [pool.take(PIECE_BYTES), pool.take(PIECE_BYTES)] as const;
    try {
      const { style } = this.#context.format;
      const whole = style === 'simple' || (request.flags & COMMAND_FLAG.DF) !== 0;
      await (whole ? this.#sendAsOne(request, buffers) : this.#sendAsChunks(request, buffers));
    } finally {
      for (const buffer of buffers) pool.give(buffer);
      share.release(2 * PIECE_BYTES);
    }
  }

  /** Each piece is a chunk of its own; other answers may go between them. */
  async #sendAsChunks(request: Request, buffers: readonly [Buffer, Buffer]): Promise<void> {
    const { format, outflow } = this.#context;
    const end = request.offset + request.length;
    let leaving = Promise.resolve();
    let [buffer, other] = buffers;
    for (const piece of this.#pieces(request)) {
      if (outflow.gone) return;
      try {
        const data = await this.#read(piece, buffer);
        const done = piece.offset + piece.length === end;
        const start = format.writeDataHeader(buffer, data, request, { ...piece, done });
        const message = buffer.subarray(start, data + piece.length);
        await leaving;
        format.dataLeaves(request, piece);
        leaving = outflow.sent(message);
      } catch (error) {
        await leaving;
        await outflow.sent(format.failure(request, describeError(error)));
        return;
      }
      [buffer, other] = [other, buffer];
    }
    await leaving;
  }

  /** One header stands for all of the data, so that nothing may come between the pieces. */
  async #sendAsOne(request: Request, buffers: readonly [Buffer, Buffer]): Promise<void> {
    const { format, outflow, hangUp } = this.#context;
    let leaving: Promise<void> | undefined;
    let failure: unknown;
    let [buffer, other] = buffers;
    try {
      for (const piece of this.#pieces(request)) {
        if (outflow.gone) return;
        let data = HEADROOM_BYTES;
        try {
          if (failure === undefined) data = await this.#read(piece, buffer);
        } catch (error) {
          if (leaving === undefined) {
            await outflow.sent(format.failure(request, describeError(error)));
            return;
          }
          if (format.style === 'simple') {
            hangUp();
            return;
          }
          failure = error;
        }
        // The chunk has to be completed before the error can be told.
        if (failure !== undefined) buffer.fill(0);
        let start = data;
        if (leaving === undefined) {
          if (!(await outflow.hold())) return;
          start = format.writeDataHeader(buffer, data, request, { ...request, done: false });
          format.dataLeaves(request, request);
        }
        await leaving;
        leaving = outflow.sentHeld(buffer.subarray(start, data + piece.length));
        [buffer, other] = [other, buffer];
      }
      await leaving;
      if (failure !== undefined) outflow.sendHeld(format.failure(request, describeError(failure)));
      else if (format.style !== 'simple') outflow.sendHeld(format.success(request));
    } finally {
      if (leaving !== undefined) outflow.release();
      await leaving;
    }
  }

  /** Fills a buffer with a piece, and room for a header in front of it; returns where the data starts. */
  async #read({ offset, length }: Piece, buffer: Buffer): Promise<number> {
    const { disk, blockSizes } = this.#context.served;
    const range = alignOutwards(offset, length, blockSizes.minimum);
    const target = targetIn(buffer, range);
    if (disk.cache?.read(range.offset, target) !== true) await disk.read(range.offset, target);
    return HEADROOM_BYTES + range.before;
  }

  /** Cuts a range where sectors end, so that each piece fits a buffer with its sectors. */
  *#pieces({ offset, length }: Request): Generator<Piece> {
    const sector = this.#context.served.blockSizes.minimum;
    const end = offset + length;
    for (let start = offset; start < end; ) {
      const full = start + PIECE_BYTES;
      const stop = Math.min(end, full - (full % sector));
      yield { offset: start, length: stop - start };
      start = stop;
    }
  }
}

/** Where the bytes of a range go in a buffer: behind the room for the header. */
function targetIn(buffer: Buffer, { length }: { readonly length: number }): Buffer {
  return buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + length);
}

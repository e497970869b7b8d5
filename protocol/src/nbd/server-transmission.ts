import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BudgetShare } from './byte-budget.ts';
import { type BufferPool, HEADROOM_BYTES } from './buffer-pool.ts';
import { COMMAND, COMMAND_FLAG, ERROR } from './constants.ts';
import { describeError } from './errno.ts';
import { MAX_TLS_WRITE_BYTES, PIECE_BYTES } from './limits.ts';
import { Outflow } from './outflow.ts';
import { ProgressWatch } from './progress-watch.ts';
import type { ReplyError } from './replies.ts';
import { ReplyFormat } from './reply-format.ts';
import { RequestDecoder } from './request-decoder.ts';
import { refusalOf } from './request-refusal.ts';
import { decodeStatusFilter, type Request, statusFilterBytes } from './requests.ts';
import { blockStatus, cache, change } from './server-commands.ts';
import type { ServerConnection } from './server-connection.ts';
import type { Chosen } from './server-handshake.ts';
import { closeDisk } from './server-options.ts';
import { ReadAnswers } from './server-reads.ts';
import { descriptorOf } from './socket-descriptor.ts';
import { describeRequest, type Trace } from './trace.ts';

export interface TransmissionContext {
  readonly connection: ServerConnection;
  readonly chosen: Chosen;
  readonly share: BudgetShare;
  readonly pool: BufferPool;
  readonly maxRequestsInFlight: number;
  readonly progressTimeoutMs: number;
  readonly shutdown: AbortSignal | undefined;
  readonly trace: Trace | undefined;
}

/** One connection's requests: taken in order, carried out side by side, answered as they are done. */
export class Transmission {
  readonly #context: TransmissionContext;
  readonly #decoder: RequestDecoder;
  readonly #outflow: Outflow;
  readonly #format: ReplyFormat;
  readonly #reads: ReadAnswers;
  /** Not answered yet; an answer counts when it has left. */
  #inFlight = 0;
  /** Of these, the ones that were not refused because of the shutdown. */
  #working = 0;
  #onChange: (() => void) | undefined;
  readonly #onDone = (): void => {
    this.#working--;
    this.#leave();
    this.#stopIfDone();
  };

  constructor(context: TransmissionContext) {
    const { connection, chosen, share, pool, trace } = context;
    const { replies } = chosen.agreement;
    this.#context = context;
    this.#decoder = new RequestDecoder(connection.reader, { extended: replies === 'extended' });
    this.#outflow = new Outflow(
      connection.stream,
      connection.secured === undefined ? {} : { maxWriteBytes: MAX_TLS_WRITE_BYTES },
    );
    this.#format = new ReplyFormat(replies, trace);
    this.#reads = new ReadAnswers({
      served: chosen.served,
      format: this.#format,
      outflow: this.#outflow,
      share,
      pool,
      socket: descriptorOf(connection.stream),
      hangUp: () => connection.destroy(),
    });
  }

  /**
   * Serves until the client disconnects, or the server is shut down, and all requests have been answered.
   *
   * @throws {NbdError} `NBD_PROTOCOL`
   */
  async run(): Promise<void> {
    const { connection, maxRequestsInFlight, progressTimeoutMs, shutdown } = this.#context;
    let sincePause = 0;
    const watch = new ProgressWatch([() => this.#owedByClient(), () => this.#owedToClient()], {
      timeoutMs: progressTimeoutMs,
      onStuck: () => connection.destroy(),
    });
    const onShutdown = (): void => this.#stopIfDone();
    shutdown?.addEventListener('abort', onShutdown);
    try {
      onShutdown();
      for (;;) {
        const event = this.#decoder.next();
        if (event === undefined) {
          if (!(await this.#receive())) break;
        } else if (event.kind === 'request') {
          if (event.request.type === COMMAND.DISC) {
            this.#context.trace?.(`< ${describeRequest(event.request)}`);
            break;
          }
          const taken = this.#take(event.request);
          if (taken !== true && !(await taken)) break;
          // Answers out of memory leave at once: without a pause, other connections would wait for all of this one's.
          if (++sincePause === maxRequestsInFlight) {
            sincePause = 0;
            await nextTurn();
          }
        }
      }
      while (this.#inFlight > 0 && !this.#outflow.gone) await this.#change();
    } finally {
      watch.stop();
      shutdown?.removeEventListener('abort', onShutdown);
    }
  }

  /** Waits for the requests that are still under way, and closes the disk. Never rejects. */
  async finish(): Promise<void> {
    // Those who wait for memory wait no longer, and buffers in use are not needed by anybody who knows of them.
    this.#context.share.close();
    while (this.#inFlight > 0) await this.#change();
    await closeDisk(this.#context.chosen.served);
  }

  /** Waits for more bytes; false if none will come. */
  async #receive(): Promise<boolean> {
    const chunk = await this.#context.connection.inflow.next();
    if (chunk === undefined) return false;
    this.#decoder.push(chunk);
    return true;
  }

  /** Begins to carry out a request: true, or a promise if the next one cannot be taken yet, false if the client went away. */
  #take(request: Request): true | Promise<boolean> {
    this.#context.trace?.(`< ${describeRequest(request)}`);
    return this.#inFlight < this.#context.maxRequestsInFlight
      ? this.#takeNow(request)
      : this.#takeLater(request);
  }

  async #takeLater(request: Request): Promise<boolean> {
    while (this.#inFlight >= this.#context.maxRequestsInFlight && !this.#outflow.gone) await this.#change();
    return this.#takeNow(request);
  }

  #takeNow(request: Request): true | Promise<boolean> {
    if (this.#decoder.payloadLeft > 0) return this.#takeWithPayload(request);
    const refusal = this.#refusal(request);
    if (refusal !== undefined) {
      this.#refuse(request, refusal);
    } else if (request.type === COMMAND.READ) {
      this.#reads.answer(request, this.#beginning());
    } else {
      this.#begin(this.#carryOut(request));
    }
    return true;
  }

  async #takeWithPayload(request: Request): Promise<boolean> {
    const refusal = this.#isStatusFilter(request) ? undefined : this.#refusal(request);
    if (refusal !== undefined) {
      this.#decoder.skipPayload();
      this.#refuse(request, refusal);
      return true;
    }
    // A shutdown does not end the wait for the rest of a request that it did not refuse.
    this.#working++;
    const taken = await (request.type === COMMAND.WRITE
      ? this.#takeWrite(request)
      : this.#takeStatusFilter(request));
    this.#working--;
    this.#stopIfDone();
    return taken;
  }

  /** Receives the data of a WRITE and writes it, piece by piece. */
  async #takeWrite(request: Request): Promise<boolean> {
    const { share } = this.#context;
    const { offset, length } = request;
    const pieces: Promise<void>[] = [];
    let failure: unknown;
    for (let done = 0; done < length; done += PIECE_BYTES) {
      if (failure !== undefined) break;
      const piece = Math.min(PIECE_BYTES, length - done);
      const granted = share.acquire(piece);
      if (granted !== true && !(await granted)) return false;
      const buffer = this.#context.pool.take(piece);
      const data = buffer.subarray(HEADROOM_BYTES, HEADROOM_BYTES + piece);
      if (!(await this.#receivePayload(data))) {
        this.#giveBack(buffer, piece);
        // What was written of it is written: the client does not know, and must not rely on either.
        if (pieces.length > 0) this.#begin(Promise.allSettled(pieces));
        return false;
      }
      const fua = length === piece && (request.flags & COMMAND_FLAG.FUA) !== 0;
      pieces.push(
        this.#writePiece(offset + done, data, fua)
          .catch((error: unknown) => {
            failure ??= error;
          })
          .finally(() => this.#giveBack(buffer, piece)),
      );
    }
    if (this.#decoder.payloadLeft > 0) this.#decoder.skipPayload();
    this.#begin(this.#answerWrite(request, pieces, () => failure));
    return true;
  }

  async #writePiece(offset: number, data: Uint8Array, fua: boolean): Promise<void> {
    await this.#context.chosen.served.disk.write(offset, data, { fua });
  }

  async #answerWrite(
    request: Request,
    pieces: readonly Promise<void>[],
    failure: () => unknown,
  ): Promise<void> {
    await Promise.all(pieces);
    try {
      if (failure() !== undefined) throw failure();
      // Once for all pieces, instead of with each.
      if (pieces.length > 1 && (request.flags & COMMAND_FLAG.FUA) !== 0) {
        await this.#context.chosen.served.disk.flush();
      }
    } catch (error) {
      return this.#outflow.sent(this.#format.failure(request, describeError(error)));
    }
    return this.#outflow.sent(this.#format.success(request));
  }

  /** With a payload, BLOCK_STATUS names the contexts to answer, and the range's length. */
  async #takeStatusFilter(request: Request): Promise<boolean> {
    const data = Buffer.allocUnsafe(this.#decoder.payloadLeft);
    if (!(await this.#receivePayload(data))) return false;
    const { chosen } = this.#context;
    const { length, contextIds } = decodeStatusFilter(data);
    const flags = request.flags & ~COMMAND_FLAG.PAYLOAD_LEN;
    const range = { ...request, length, flags };
    const contexts = chosen.agreement.contexts.filter(({ id }) => contextIds.includes(id));
    const refusal =
      contexts.length === contextIds.length
        ? this.#refusal(range)
        : { error: ERROR.EINVAL, message: 'a metadata context that was not selected, or one twice' };
    if (refusal === undefined) this.#begin(this.#answerStatus(range, contexts));
    else this.#refuse(request, refusal);
    return true;
  }

  #isStatusFilter({ type, flags }: Request): boolean {
    const { agreement } = this.#context.chosen;
    const most = statusFilterBytes(agreement.contexts.length);
    const length = this.#decoder.payloadLeft;
    return (
      type === COMMAND.BLOCK_STATUS &&
      (flags & COMMAND_FLAG.PAYLOAD_LEN) !== 0 &&
      length > statusFilterBytes(0) &&
      length <= most &&
      (length - most) % 4 === 0
    );
  }

  async #receivePayload(target: Uint8Array): Promise<boolean> {
    this.#decoder.receivePayload(target);
    while (this.#decoder.next() === undefined) {
      if (!(await this.#receive())) return false;
    }
    return true;
  }

  /** The requests without data in either direction. */
  async #carryOut(request: Request): Promise<void> {
    const { chosen, share, pool } = this.#context;
    const { served, agreement } = chosen;
    if (request.type === COMMAND.BLOCK_STATUS) return this.#answerStatus(request, agreement.contexts);
    try {
      if (request.type === COMMAND.CACHE) {
        await cache(served, request, { share, pool, wanted: () => !this.#outflow.gone });
      } else {
        await change(served, request);
      }
    } catch (error) {
      const fast = (request.flags & COMMAND_FLAG.FAST_ZERO) !== 0;
      return this.#outflow.sent(this.#format.failure(request, describeError(error, { fast })));
    }
    return this.#outflow.sent(this.#format.success(request));
  }

  async #answerStatus(request: Request, contexts: Chosen['agreement']['contexts']): Promise<void> {
    let chunks: Buffer[];
    try {
      const statuses = await blockStatus(this.#context.chosen.served, request, contexts);
      chunks = statuses.map((status, index) =>
        this.#format.status(request, status, { done: index === statuses.length - 1 }),
      );
    } catch (error) {
      chunks = [this.#format.failure(request, describeError(error))];
    }
    await Promise.all(chunks.map((chunk) => this.#outflow.sent(chunk)));
  }

  #refusal(request: Request): ReplyError | undefined {
    const { chosen, shutdown } = this.#context;
    if (shutdown?.aborted === true) {
      return { error: ERROR.ESHUTDOWN, message: 'this server is being shut down' };
    }
    return refusalOf(request, chosen.served, chosen.agreement);
  }

  #refuse(request: Request, error: ReplyError): void {
    this.#inFlight++;
    this.#outflow.send(this.#format.failure(request, error), () => this.#leave());
  }

  /** Counts work, which must not reject, until it is done. */
  #begin(work: Promise<unknown>): void {
    void work.finally(this.#beginning());
  }

  /** Counts work until what is returned is called. */
  #beginning(): () => void {
    this.#inFlight++;
    this.#working++;
    return this.#onDone;
  }

  #leave(): void {
    this.#inFlight--;
    this.#onChange?.();
  }

  /** At a shutdown, the connection ends when what was under way is answered, whatever the client goes on asking. */
  #stopIfDone(): void {
    const { connection, shutdown } = this.#context;
    if (shutdown?.aborted === true && this.#working === 0) connection.inflow.stop();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve;
    });
  }

  #giveBack(buffer: Buffer, length: number): void {
    this.#context.pool.give(buffer);
    this.#context.share.release(length);
  }

  /** The rest of what the client began to send, while the server waits for it. */
  #owedByClient(): number | undefined {
    const waits = this.#context.connection.inflow.awaited && this.#decoder.isIncomplete;
    return waits ? this.#decoder.progress : undefined;
  }

  /** That the client accepts the answers to its requests. */
  #owedToClient(): number | undefined {
    const { pending, left } = this.#outflow.progress;
    return pending ? left : undefined;
  }
}

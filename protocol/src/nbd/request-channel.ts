import { DiskError } from '../disk.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ClientLink, Receiver } from './client-link.ts';
import { COMMAND, COMMAND_FLAG } from './constants.ts';
import { errnoOf } from './errno.ts';
import { NbdError } from './nbd-error.ts';
import { type Answer, type Headers, type PendingRequest, ReplyDecoder } from './reply-decoder.ts';
import { encodeExtendedRequest, encodeRequest, type Request } from './requests.ts';
import { SilenceWatch } from './silence-watch.ts';
import { describeRequest } from './trace.ts';

/**
 * Requests that a server has at a time; others wait here. Servers that take 64 and then read no more, as ours, so still see a question
 * for a sign of life.
 */
const MAX_UNANSWERED = 60;
/**
 * How long a server that lives may owe an answer, in ms. A disk that fails may try a sector for minutes (Linux gives a SCSI command
 * 30 s, and tries it six times), and the error that comes at last is worth more than a lost connection.
 */
const MAX_SILENCE_MS = 300_000;
/** How long it may take over a sign of life, in ms, if it is usually given more. */
const SIGN_OF_LIFE_MS = 10_000;

/** What a request is about, beside its command and range. */
export interface RequestDetails {
  /** Values of COMMAND_FLAG. */
  readonly flags?: number;
  /** Where the data of a READ goes. */
  readonly target?: Uint8Array;
  /** What a WRITE writes. */
  readonly data?: Uint8Array;
}

interface Pending extends PendingRequest {
  readonly flags: number;
  readonly length: number;
  readonly data: Uint8Array | undefined;
  readonly resolve: (pending: PendingRequest) => void;
  readonly reject: (reason: Error) => void;
}

export interface RequestChannelContext {
  readonly link: ClientLink;
  /** Holds what came with the end of the handshake. */
  readonly reader: ChunkReader;
  readonly exportName: string;
  readonly headers: Headers;
  /** The number of the metadata context `base:allocation`, if it was agreed on. */
  readonly allocationContext?: number;
  /** Bytes. */
  readonly diskSize: number;
  /** Bytes; the shortest request. */
  readonly blockBytes: number;
  readonly requestTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** The transmission phase of a connection: requests, many at a time, and their answers in any order. */
export class RequestChannel implements Receiver {
  /** Resolves with the reason when the connection ends unasked. */
  readonly lost: Promise<Error>;
  readonly #context: RequestChannelContext;
  readonly #requests = new Map<bigint, Pending>();
  /** Not sent yet, in their order. */
  readonly #waiting: Pending[] = [];
  readonly #decoder: ReplyDecoder<Pending>;
  readonly #watch: SilenceWatch;
  readonly #onAbort: () => void;
  #reportLoss: (reason: Error) => void = () => {};
  /** The server was asked for a sign of life, and has said nothing since. */
  #isAsked = false;
  /** When the last answer came that was owed, or the first one became due, by `performance.now`. */
  #lastAnswer = 0;
  #lastCookie = 0n;
  #endReason: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(context: RequestChannelContext) {
    const { link, reader, requestTimeoutMs: timeoutMs, signal } = context;
    this.#context = context;
    this.lost = new Promise((resolve) => {
      this.#reportLoss = resolve;
    });
    this.#decoder = new ReplyDecoder(reader, this.#requests, context);
    this.#watch = new SilenceWatch({ timeoutMs, onSilence: () => this.#heardNothing() });
    this.#onAbort = () => link.fail(signal?.reason as Error);
    signal?.addEventListener('abort', this.#onAbort);
    link.receiver = this;
  }

  /**
   * Sends a request.
   *
   * @returns the request with what the decoder has added to it
   * @throws {DiskError} if the server refuses it
   * @throws {NbdError} `NBD_LOST`, `NBD_PROTOCOL`, `NBD_CLOSED`; the reason of the signal
   */
  request(
    type: number,
    offset: number,
    length: number,
    { flags = 0, target, data }: RequestDetails = {},
  ): Promise<PendingRequest> {
    return new Promise((resolve, reject) => {
      const request = { type, offset, length, flags, target, data, resolve, reject };
      if (this.#endReason !== undefined || this.#closed !== undefined) {
        reject(this.#endReason ?? this.#closedError());
      } else if (this.#requests.size < MAX_UNANSWERED) {
        this.#start(request);
      } else {
        this.#waiting.push(request);
      }
    });
  }

  /** Says goodbye and hangs up; what is under way fails with `NBD_CLOSED`. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  // What the link calls

  directTarget(): Uint8Array | undefined {
    return this.#decoder.directTarget();
  }

  receivedDirectly(length: number): void {
    this.#decoder.filledDirectly(length);
    this.#takeAnswers();
  }

  received(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    this.#takeAnswers();
  }

  ended(reason: Error): void {
    const { signal } = this.#context;
    this.#watch.stop();
    signal?.removeEventListener('abort', this.#onAbort);
    this.#endReason = this.#closed === undefined ? reason : this.#closedError();
    for (const { reject } of [...this.#requests.values(), ...this.#waiting]) reject(this.#endReason);
    this.#requests.clear();
    this.#waiting.length = 0;
    if (this.#closed === undefined && signal?.aborted !== true) this.#reportLoss(reason);
  }

  // What it is made of

  #start(request: Pending): void {
    const { link } = this.#context;
    const cookie = ++this.#lastCookie;
    if (this.#requests.size === 0) {
      this.#lastAnswer = performance.now();
      this.#watch.expect();
    }
    this.#requests.set(cookie, request);
    this.#send({ ...request, cookie });
    if (request.data !== undefined) link.send(request.data);
  }

  #send({ type, flags, cookie, offset, length }: Request): void {
    const { link, headers } = this.#context;
    if (headers === 'extended') {
      // Extended headers say whether the length is that of data which follows.
      const payload = type === COMMAND.WRITE ? COMMAND_FLAG.PAYLOAD_LEN : 0;
      link.send(encodeExtendedRequest({ type, flags: flags | payload, cookie, offset, length }));
    } else {
      link.send(encodeRequest({ type, flags, cookie, offset, length }));
    }
    link.trace?.(`> ${describeRequest({ type, flags, cookie, offset, length })}`);
  }

  #takeAnswers(): void {
    const { link, diskSize } = this.#context;
    this.#watch.heard();
    this.#isAsked = false;
    for (let answer = this.#decoder.next(); answer !== undefined; answer = this.#decoder.next()) {
      this.#requests.delete(answer.cookie);
      if (answer.pending.offset < diskSize) this.#lastAnswer = performance.now();
      link.trace?.(`< ${describeAnswer(answer)}`);
      if (answer.error === undefined) answer.pending.resolve(answer.pending);
      else answer.pending.reject(this.#requestError(answer));
      const next = this.#requests.size < MAX_UNANSWERED ? this.#waiting.shift() : undefined;
      if (next !== undefined) this.#start(next);
    }
    if (this.#requests.size === 0) this.#watch.satisfied();
  }

  /** The server owes answers and says nothing. */
  #heardNothing(): void {
    const { link, diskSize, blockBytes, requestTimeoutMs } = this.#context;
    const silenceMs = performance.now() - this.#lastAnswer;
    if (this.#isAsked || silenceMs >= MAX_SILENCE_MS) {
      link.fail(silent(link.peer, silenceMs));
      return;
    }
    this.#isAsked = true;
    this.#watch.expect(Math.min(requestTimeoutMs, SIGN_OF_LIFE_MS));
    // Nothing lies behind the end of the disk, and servers say so without looking.
    this.#start({
      type: COMMAND.READ,
      offset: diskSize,
      length: blockBytes,
      flags: 0,
      target: Buffer.alloc(blockBytes),
      data: undefined,
      resolve: () => {},
      reject: () => {},
    });
  }

  async #close(): Promise<void> {
    const { link, signal } = this.#context;
    this.#watch.stop();
    signal?.removeEventListener('abort', this.#onAbort);
    this.#send({ type: COMMAND.DISC, flags: 0, cookie: ++this.#lastCookie, offset: 0, length: 0 });
    await link.close();
  }

  #requestError({ pending: { type, offset, length }, error }: Answer<Pending>): DiskError {
    const errno = errnoOf(error?.error ?? 0);
    const words = error === undefined || error.message === '' ? errno : `${error.message} (${errno})`;
    const where = `${this.#context.exportName} on ${this.#context.link.peer}`;
    const what =
      type === COMMAND.FLUSH ? `flushing ${where}` : `${VERB[type]} ${length} bytes at ${offset} of ${where}`;
    return new DiskError(errno, `${what} failed: ${words}`);
  }

  #closedError(): NbdError {
    return new NbdError('NBD_CLOSED', `the connection to ${this.#context.link.peer} has been closed`);
  }
}

const VERB: Readonly<Record<number, string>> = {
  [COMMAND.READ]: 'reading',
  [COMMAND.WRITE]: 'writing',
  [COMMAND.TRIM]: 'discarding',
  [COMMAND.WRITE_ZEROES]: 'zeroing',
  [COMMAND.BLOCK_STATUS]: 'asking for the holes in',
};

function describeAnswer({ cookie, pending, error }: Answer<Pending>): string {
  const request = describeRequest({ ...pending, cookie });
  return error === undefined ? `done: ${request}` : `${errnoOf(error.error)}: ${request}: ${error.message}`;
}

function silent(peer: string, silenceMs: number): NbdError {
  return new NbdError(
    'NBD_LOST',
    `${peer} has not answered for ${(silenceMs / 1000).toFixed(1)} s and counts as lost; see whether that computer still runs and is on the network`,
  );
}

import { type Disk, DiskError, type Extent, type SectorSize, type WriteZeroesOptions } from '../disk.ts';
import { MAX_COMPACT_DESCRIPTOR_BYTES } from './block-status.ts';
import { requestSizes, sectorSizeOf } from './block-sizes.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { NbdDisk } from './nbd-disk.ts';
import type { ExportDescription } from './client-handshake.ts';
import type { ClientLink, Receiver } from './client-link.ts';
import { COMMAND, COMMAND_FLAG, TRANSMISSION_FLAG } from './constants.ts';
import { cutRange, extentsWithin } from './ranges.ts';
import { errnoOf } from './errno.ts';
import { NbdError } from './nbd-error.ts';
import { type Answer, type Headers, type PendingRequest, ReplyDecoder } from './reply-decoder.ts';
import { encodeExtendedRequest, encodeRequest, type Request } from './requests.ts';
import { SilenceWatch } from './silence-watch.ts';
import { describeRequest } from './trace.ts';

/** Longest range of one TRIM or WRITE_ZEROES: below 2^32, and soon enough done to count as an answer. */
const MAX_RANGE_BYTES = 1024 * 1024 * 1024;
/**
 * How long a server that lives may owe an answer, in ms. A disk that fails may try a sector for minutes (Linux gives a SCSI command
 * 30 s, and tries it six times), and the error that comes at last is worth more than a lost connection.
 */
const MAX_SILENCE_MS = 300_000;
/** How long it may take over a sign of life, in ms, if it is usually given more. */
const SIGN_OF_LIFE_MS = 10_000;

interface Pending extends PendingRequest {
  readonly length: number;
  readonly resolve: (pending: PendingRequest) => void;
  readonly reject: (reason: Error) => void;
}

export interface RemoteDiskContext {
  readonly link: ClientLink;
  readonly reader: ChunkReader;
  readonly exportName: string;
  readonly description: ExportDescription;
  readonly identity?: string;
  readonly headers: Headers;
  /** The number of the metadata context `base:allocation`, if it was agreed on. */
  readonly allocationContext?: number;
  readonly requestTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** A disk behind an NBD connection in its transmission phase. */
export class RemoteDisk implements NbdDisk, Receiver {
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
  readonly description?: string;
  readonly identity?: string;
  readonly extents?: NonNullable<Disk['extents']>;
  readonly supports: NbdDisk['supports'];
  readonly lost: Promise<Error>;
  readonly #link: ClientLink;
  readonly #exportName: string;
  readonly #headers: Headers;
  readonly #minimum: number;
  readonly #maximum: number;
  readonly #requests = new Map<bigint, Pending>();
  readonly #decoder: ReplyDecoder<Pending>;
  readonly #watch: SilenceWatch;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #reportLoss: (reason: Error) => void = () => {};
  /** The server was asked for a sign of life, and has said nothing since. */
  #isAsked = false;
  /** When the last answer came that was owed, or the first one became due, by `performance.now`. */
  #lastAnswer = 0;
  #lastCookie = 0n;
  #endReason: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(context: RemoteDiskContext) {
    const { link, description, requestTimeoutMs } = context;
    this.#link = link;
    this.#exportName = context.exportName;
    this.size = description.size;
    this.sectorSize = sectorSizeOf(description.blockSizes);
    ({ minimum: this.#minimum, longest: this.#maximum } = requestSizes(description.blockSizes));
    if (description.description !== undefined) this.description = description.description;
    if (context.identity !== undefined) this.identity = context.identity;
    this.#headers = context.headers;
    if (context.allocationContext !== undefined) {
      this.extents = (offset, length) => this.#blockStatus(offset, length);
    }
    const has = (flag: number): boolean => (description.flags & flag) !== 0;
    this.readOnly = has(TRANSMISSION_FLAG.READ_ONLY);
    this.supports = {
      flush: has(TRANSMISSION_FLAG.SEND_FLUSH),
      fua: has(TRANSMISSION_FLAG.SEND_FUA),
      trim: has(TRANSMISSION_FLAG.SEND_TRIM),
      writeZeroes: has(TRANSMISSION_FLAG.SEND_WRITE_ZEROES),
      fastZeroes: has(TRANSMISSION_FLAG.SEND_WRITE_ZEROES) && has(TRANSMISSION_FLAG.SEND_FAST_ZERO),
      multiConnection: has(TRANSMISSION_FLAG.CAN_MULTI_CONN),
    };
    this.lost = new Promise((resolve) => {
      this.#reportLoss = resolve;
    });
    this.#decoder = new ReplyDecoder(context.reader, this.#requests, context);
    this.#watch = new SilenceWatch({
      timeoutMs: requestTimeoutMs,
      onSilence: () => this.#heardNothing(requestTimeoutMs),
    });
    this.#signal = context.signal;
    this.#onAbort = () => link.fail(context.signal?.reason as Error);
    this.#signal?.addEventListener('abort', this.#onAbort);
    link.receiver = this;
  }

  get bytesReceived(): number {
    return this.#link.bytesReceived;
  }

  get bytesSent(): number {
    return this.#link.bytesSent;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { length } = target;
    if (length === 0) return;
    this.#checkRange('read', offset, length);
    if (length <= this.#maximum && this.#isAligned(offset, length)) {
      await this.#request(COMMAND.READ, offset, length, { target });
      return;
    }
    await all(
      cutRange(offset, length, this.#maximum).map(([start, end]) =>
        this.#readPiece(start, target.subarray(start - offset, end - offset)),
      ),
    );
  }

  async write(offset: number, data: Uint8Array, { fua = false } = {}): Promise<void> {
    if (data.length === 0) return;
    this.#checkWrite('write', offset, data.length);
    const flags = fua && this.supports.fua ? COMMAND_FLAG.FUA : 0;
    await all(
      cutRange(offset, data.length, this.#maximum).map(([start, end]) =>
        this.#request(COMMAND.WRITE, start, end - start, {
          flags,
          data: data.subarray(start - offset, end - offset),
        }),
      ),
    );
    if (fua && !this.supports.fua) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.supports.flush) await this.#request(COMMAND.FLUSH, 0, 0);
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#checkRange('discard', offset, length);
    // Only a hint: whole blocks inside the range, and nothing if the server does not know it.
    const start = Math.ceil(offset / this.#minimum) * this.#minimum;
    const end = offset + length - ((offset + length) % this.#minimum);
    if (!this.supports.trim || end <= start) return;
    await this.#ranges(COMMAND.TRIM, start, end - start, 0);
  }

  async writeZeroes(
    offset: number,
    length: number,
    { mayPunch = false, fast = false }: WriteZeroesOptions = {},
  ): Promise<void> {
    if (length === 0) return;
    this.#checkWrite('write zeroes', offset, length);
    if (fast && !this.supports.fastZeroes) {
      throw new DiskError('ENOTSUP', `${this.#link.peer} does not tell whether it zeroes fast`);
    }
    if (this.supports.writeZeroes) {
      const flags = (mayPunch ? 0 : COMMAND_FLAG.NO_HOLE) | (fast ? COMMAND_FLAG.FAST_ZERO : 0);
      // One answer for all of it, so that a refusal changes nothing.
      if (fast && this.#headers === 'extended') {
        await this.#request(COMMAND.WRITE_ZEROES, offset, length, { flags });
        return;
      }
      return this.#ranges(COMMAND.WRITE_ZEROES, offset, length, flags);
    }
    const zeroes = Buffer.alloc(Math.min(length, this.#maximum));
    for (const [start, end] of cutRange(offset, length, this.#maximum)) {
      await this.write(start, zeroes.subarray(0, end - start));
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Hangs up without a word; what is under way fails for the reason. */
  abandon(reason: Error): void {
    this.#link.fail(reason);
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
    this.#watch.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#endReason = this.#closed === undefined ? reason : closedError(this.#link.peer);
    for (const { reject } of this.#requests.values()) reject(this.#endReason);
    this.#requests.clear();
    if (this.#closed === undefined && this.#signal?.aborted !== true) this.#reportLoss(reason);
  }

  // What it is made of

  #takeAnswers(): void {
    this.#watch.heard();
    this.#isAsked = false;
    for (let answer = this.#decoder.next(); answer !== undefined; answer = this.#decoder.next()) {
      this.#requests.delete(answer.cookie);
      if (answer.pending.offset < this.size) this.#lastAnswer = performance.now();
      this.#link.trace?.(`< ${describeAnswer(answer)}`);
      if (answer.error === undefined) answer.pending.resolve(answer.pending);
      else answer.pending.reject(this.#requestError(answer));
    }
    if (this.#requests.size === 0) this.#watch.satisfied();
  }

  /** The server owes answers and says nothing. */
  #heardNothing(timeoutMs: number): void {
    const silenceMs = performance.now() - this.#lastAnswer;
    if (this.#isAsked || silenceMs >= MAX_SILENCE_MS) {
      this.#link.fail(silent(this.#link.peer, silenceMs));
      return;
    }
    this.#isAsked = true;
    this.#watch.expect(Math.min(timeoutMs, SIGN_OF_LIFE_MS));
    // Nothing lies behind the end of the disk, and servers say so without looking.
    const target = Buffer.alloc(this.#minimum);
    this.#request(COMMAND.READ, this.size, this.#minimum, { target }).catch(() => {});
  }

  #request(
    type: number,
    offset: number,
    length: number,
    { flags = 0, target, data }: { flags?: number; target?: Uint8Array; data?: Uint8Array } = {},
  ): Promise<PendingRequest> {
    return new Promise((resolve, reject) => {
      if (this.#endReason !== undefined || this.#closed !== undefined) {
        reject(this.#endReason ?? closedError(this.#link.peer));
        return;
      }
      const cookie = ++this.#lastCookie;
      if (this.#requests.size === 0) {
        this.#lastAnswer = performance.now();
        this.#watch.expect();
      }
      this.#requests.set(cookie, { type, offset, length, target, resolve, reject });
      const request = { flags, type, cookie, offset, length };
      this.#link.trace?.(`> ${describeRequest(request)}`);
      this.#link.send(this.#encode(request));
      if (data !== undefined) this.#link.send(data);
    });
  }

  #encode(request: Request): Buffer {
    if (this.#headers !== 'extended') return encodeRequest(request);
    // Extended headers say whether the length is that of data which follows.
    const flags = request.type === COMMAND.WRITE ? request.flags | COMMAND_FLAG.PAYLOAD_LEN : request.flags;
    return encodeExtendedRequest({ ...request, flags });
  }

  async #blockStatus(offset: number, length: number): Promise<readonly Extent[]> {
    if (length === 0) return [];
    this.#checkRange('status', offset, length);
    const start = offset - (offset % this.#minimum);
    const limit = this.#headers === 'extended' ? this.size : MAX_COMPACT_DESCRIPTOR_BYTES;
    const end = Math.min(this.#roundUp(offset + length), start + limit);
    const { extents = [] } = await this.#request(COMMAND.BLOCK_STATUS, start, end - start);
    return extentsWithin(extents, offset - start, Math.min(offset + length, end) - start);
  }

  /** The end of the block in which a range ends. */
  #roundUp(end: number): number {
    return Math.min(Math.ceil(end / this.#minimum) * this.#minimum, this.size);
  }

  /** Reads a piece that may begin or end inside a block. */
  async #readPiece(offset: number, target: Uint8Array): Promise<void> {
    const before = offset % this.#minimum;
    const end = this.#roundUp(offset + target.length);
    if (before === 0 && end === offset + target.length) {
      await this.#request(COMMAND.READ, offset, target.length, { target });
      return;
    }
    const blocks = Buffer.allocUnsafe(end - offset + before);
    await this.#request(COMMAND.READ, offset - before, blocks.length, { target: blocks });
    target.set(blocks.subarray(before, before + target.length));
  }

  async #ranges(type: number, offset: number, length: number, flags: number): Promise<void> {
    for (const [start, end] of cutRange(offset, length, MAX_RANGE_BYTES)) {
      await this.#request(type, start, end - start, { flags });
    }
  }

  #isAligned(offset: number, length: number): boolean {
    // The end of the disk counts as aligned: some servers have sizes that are no multiple of anything.
    return offset % this.#minimum === 0 && (length % this.#minimum === 0 || offset + length === this.size);
  }

  #checkWrite(what: string, offset: number, length: number): void {
    this.#checkRange(what, offset, length);
    if (this.readOnly) {
      throw new DiskError('EPERM', `${this.#exportName} on ${this.#link.peer} is read-only`);
    }
    if (!this.#isAligned(offset, length)) {
      throw new DiskError(
        'EINVAL',
        `a ${what} of ${length} bytes at ${offset} is not made of whole blocks of ${this.#minimum} bytes`,
      );
    }
  }

  #checkRange(what: string, offset: number, length: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > this.size) {
      throw new DiskError(
        'EINVAL',
        `a ${what} of ${length} bytes at ${offset} is not inside the disk, which has ${this.size} bytes`,
      );
    }
  }

  #requestError({ pending: { type, offset, length }, error }: Answer<Pending>): DiskError {
    const errno = errnoOf(error?.error ?? 0);
    const words = error === undefined || error.message === '' ? errno : `${error.message} (${errno})`;
    const where = `${this.#exportName} on ${this.#link.peer}`;
    const what =
      type === COMMAND.FLUSH ? `flushing ${where}` : `${VERB[type]} ${length} bytes at ${offset} of ${where}`;
    return new DiskError(errno, `${what} failed: ${words}`);
  }

  async #close(): Promise<void> {
    this.#watch.stop();
    this.#signal?.removeEventListener('abort', this.#onAbort);
    const request = { flags: 0, type: COMMAND.DISC, cookie: ++this.#lastCookie, offset: 0, length: 0 };
    this.#link.trace?.(`> ${describeRequest(request)}`);
    this.#link.send(this.#encode(request));
    await this.#link.close();
  }
}

function describeAnswer({ cookie, pending: { type, offset, length }, error }: Answer<Pending>): string {
  const request = describeRequest({ type, offset, length, cookie, flags: 0 });
  return error === undefined ? `done: ${request}` : `${errnoOf(error.error)}: ${request}: ${error.message}`;
}

const VERB: Readonly<Record<number, string>> = {
  [COMMAND.READ]: 'reading',
  [COMMAND.WRITE]: 'writing',
  [COMMAND.TRIM]: 'discarding',
  [COMMAND.WRITE_ZEROES]: 'zeroing',
  [COMMAND.BLOCK_STATUS]: 'asking for the holes in',
};

/** Waits for all, even if one fails: the others may still be filling the same target. */
async function all(requests: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(requests);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function silent(peer: string, silenceMs: number): NbdError {
  return new NbdError(
    'NBD_LOST',
    `${peer} has not answered for ${(silenceMs / 1000).toFixed(1)} s and counts as lost; see whether that computer still runs and is on the network`,
  );
}

function closedError(peer: string): NbdError {
  return new NbdError('NBD_CLOSED', `the connection to ${peer} has been closed`);
}

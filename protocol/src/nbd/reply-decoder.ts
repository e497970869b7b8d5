import type { Extent } from '../disk.ts';
import {
  blockStatusStart,
  decodeBlockStatus,
  extentOf,
  isBlockStatusLength,
  type StatusType,
} from './block-status.ts';
import type { ChunkReader } from './chunk-reader.ts';
import {
  COMMAND,
  commandName,
  NBD_EXTENDED_REPLY_MAGIC,
  NBD_SIMPLE_REPLY_MAGIC,
  NBD_STRUCTURED_REPLY_MAGIC,
  REPLY_FLAG,
  REPLY_TYPE,
  REPLY_TYPE_ERROR_BIT,
  replyTypeName,
} from './constants.ts';
import { Coverage } from './coverage.ts';
import { MAX_ERROR_CHUNK_BYTES, MAX_STATUS_DESCRIPTORS } from './limits.ts';
import { protocolError } from './nbd-error.ts';
import {
  CHUNK_HEADER_BYTES,
  type ChunkHeader,
  DATA_OFFSET_BYTES,
  decodeChunkHeader,
  decodeErrorPayload,
  decodeExtendedChunkHeader,
  decodeSimpleReply,
  EXTENDED_CHUNK_HEADER_BYTES,
  HOLE_BYTES,
  type ReplyError,
  SIMPLE_REPLY_BYTES,
} from './replies.ts';
import { readOffset } from './wire.ts';

/** The form of messages that client and server agreed on. */
export type Headers = 'simple' | 'structured' | 'extended';

/** A request that waits for its reply, and what has arrived of it. */
export interface PendingRequest {
  readonly type: number;
  /** Bytes. */
  readonly offset: number;
  /** Where the data of a READ goes. */
  readonly target: Uint8Array | undefined;
  /** Kept by the decoder while a structured reply comes in parts. */
  coverage?: Coverage;
  /** Kept by the decoder: the first error of a structured reply. */
  error?: ReplyError;
  /** Kept by the decoder: what the answer to a BLOCK_STATUS says, from `offset`. */
  extents?: readonly Extent[];
}

/** The requests under way, by their cookies. */
export interface PendingRequests<P extends PendingRequest> {
  get(cookie: bigint): P | undefined;
}

/** A reply is complete. */
export interface Answer<P extends PendingRequest> {
  readonly cookie: bigint;
  readonly pending: P;
  readonly error: ReplyError | undefined;
}

/** Data on its way into a target. */
interface Filling<P extends PendingRequest> {
  readonly name: 'data';
  readonly cookie: bigint;
  readonly pending: P;
  readonly target: Uint8Array;
  filled: number;
  readonly end: number;
  /** The reply is complete behind this data. */
  readonly done: boolean;
}

/** An answer to BLOCK_STATUS. */
interface StatusAnswer<P extends PendingRequest> {
  readonly name: 'status';
  readonly header: ChunkHeader;
  readonly type: StatusType;
  readonly pending: P;
  /** Bytes behind the descriptors that are kept; undefined until those have arrived. */
  surplus: number | undefined;
}

type State<P extends PendingRequest> =
  | { readonly name: 'header' }
  | { readonly name: 'data-offset' | 'hole' | 'error'; readonly header: ChunkHeader; readonly pending: P }
  | StatusAnswer<P>
  | Filling<P>;

const HEADER = { name: 'header' } as const;
const MAGIC_BYTES = 4;
/** Descriptors that are kept of an answer to BLOCK_STATUS; who wants to know more asks again behind them. */
const MAX_KEPT_DESCRIPTORS = 4096;
/** Commands whose answer may be simple although structured replies were agreed on (specification, "Simple reply message"). */
const MAY_BE_SIMPLE: ReadonlySet<number> = new Set([
  COMMAND.WRITE,
  COMMAND.FLUSH,
  COMMAND.TRIM,
  COMMAND.WRITE_ZEROES,
]);
/** Below this, copying out of a large read is cheaper than asking the kernel for so few bytes. */
const MIN_DIRECT_BYTES = 32 * 1024;

/** The client's side of the transmission phase: replies, whose data goes straight to where the reader wants it. */
export class ReplyDecoder<P extends PendingRequest> {
  readonly #reader: ChunkReader;
  readonly #requests: PendingRequests<P>;
  readonly #headers: Headers;
  readonly #allocationContext: number | undefined;
  #state: State<P> = HEADER;

  /** Goes on where the decoder of the handshake stopped. */
  constructor(
    reader: ChunkReader,
    requests: PendingRequests<P>,
    { headers, allocationContext }: { readonly headers: Headers; readonly allocationContext?: number },
  ) {
    this.#reader = reader;
    this.#requests = requests;
    this.#headers = headers;
    this.#allocationContext = allocationContext;
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** Where the next bytes belong, if they are data and many: they may be put there instead of being pushed. */
  directTarget(): Uint8Array | undefined {
    const state = this.#state;
    if (state.name !== 'data' || state.end - state.filled < MIN_DIRECT_BYTES) return undefined;
    return state.target.subarray(state.filled, state.end);
  }

  /** So many bytes were put into {@link directTarget}. */
  filledDirectly(length: number): void {
    if (this.#state.name !== 'data') throw new TypeError('no data was expected');
    this.#state.filled += length;
  }

  /**
   * The next complete reply, or undefined until more bytes come.
   *
   * @throws {NbdError} `NBD_PROTOCOL`
   */
  next(): Answer<P> | undefined {
    for (;;) {
      const state = this.#state;
      const answer = state.name === 'header' ? this.#header() : this.#payload(state);
      if (answer !== 'go on') return answer;
    }
  }

  #payload(state: Exclude<State<P>, { readonly name: 'header' }>): Step<P> {
    switch (state.name) {
      case 'data':
        return this.#data(state);
      case 'data-offset':
        return this.#dataOffset(state.header, state.pending);
      case 'hole':
        return this.#hole(state.header, state.pending);
      case 'error':
        return this.#error(state.header, state.pending);
      case 'status':
        return this.#status(state);
    }
  }

  #header(): Step<P> {
    const magic = this.#reader.peek(MAGIC_BYTES)?.readUInt32BE(0);
    if (magic === undefined) return undefined;
    if (magic === NBD_EXTENDED_REPLY_MAGIC && this.#headers === 'extended') {
      return this.#chunk(EXTENDED_CHUNK_HEADER_BYTES);
    }
    if (magic === NBD_STRUCTURED_REPLY_MAGIC && this.#headers === 'structured') {
      return this.#chunk(CHUNK_HEADER_BYTES);
    }
    if (magic === NBD_SIMPLE_REPLY_MAGIC && this.#headers !== 'extended') return this.#simple();
    throw protocolError(
      `a reply starts with 0x${magic.toString(16)}, which is no magic number that was agreed on`,
    );
  }

  #simple(): Step<P> {
    const bytes = this.#reader.take(SIMPLE_REPLY_BYTES);
    if (bytes === undefined) return undefined;
    const { cookie, error } = decodeSimpleReply(bytes);
    const pending = this.#find(cookie);
    if (this.#headers === 'structured' && !MAY_BE_SIMPLE.has(pending.type)) {
      throw protocolError(
        `the reply to ${commandName(pending.type)} is not structured, although that was agreed`,
      );
    }
    if (error !== 0) return this.#answer(cookie, pending, { error, message: '' });
    const { target } = pending;
    if (target === undefined) return this.#answer(cookie, pending);
    this.#state = { name: 'data', cookie, pending, target, filled: 0, end: target.length, done: true };
    return 'go on';
  }

  #chunk(headerBytes: number): Step<P> {
    const bytes = this.#reader.take(headerBytes);
    if (bytes === undefined) return undefined;
    const header =
      headerBytes === CHUNK_HEADER_BYTES ? decodeChunkHeader(bytes) : decodeExtendedChunkHeader(bytes);
    const { type, length, cookie } = header;
    const pending = this.#find(cookie);
    if ('requestOffset' in header && header.requestOffset !== pending.offset) {
      throw protocolError('a reply is for another offset than its request');
    }
    if (type >= REPLY_TYPE_ERROR_BIT && length <= MAX_ERROR_CHUNK_BYTES) {
      this.#state = { name: 'error', header, pending };
      return 'go on';
    }
    switch (type) {
      case REPLY_TYPE.NONE:
        if (length !== 0 || !isDone(header)) throw misplaced(header);
        return this.#finish(cookie, pending);
      case REPLY_TYPE.OFFSET_DATA:
        if (pending.target === undefined || length <= DATA_OFFSET_BYTES) throw misplaced(header);
        this.#state = { name: 'data-offset', header, pending };
        return 'go on';
      case REPLY_TYPE.OFFSET_HOLE:
        if (pending.target === undefined || length !== HOLE_BYTES) throw misplaced(header);
        this.#state = { name: 'hole', header, pending };
        return 'go on';
      case REPLY_TYPE.BLOCK_STATUS:
      case REPLY_TYPE.BLOCK_STATUS_EXT:
        this.#checkStatus(type, header, pending);
        this.#state = { name: 'status', header, type, pending, surplus: undefined };
        return 'go on';
      default:
        throw misplaced(header);
    }
  }

  #dataOffset(header: ChunkHeader, pending: P): Step<P> {
    const bytes = this.#reader.take(DATA_OFFSET_BYTES);
    if (bytes === undefined) return undefined;
    const { target, start, end } = cover(pending, readOffset(bytes, 0), header.length - DATA_OFFSET_BYTES);
    const { cookie } = header;
    this.#state = { name: 'data', cookie, pending, target, filled: start, end, done: isDone(header) };
    return 'go on';
  }

  #data(state: Filling<P>): Step<P> {
    state.filled += this.#reader.copyTo(state.target, state.filled, state.end);
    if (state.filled < state.end) return undefined;
    this.#state = HEADER;
    if (!state.done) return 'go on';
    return this.#headers === 'simple'
      ? this.#answer(state.cookie, state.pending)
      : this.#finish(state.cookie, state.pending);
  }

  #hole(header: ChunkHeader, pending: P): Step<P> {
    const bytes = this.#reader.take(HOLE_BYTES);
    if (bytes === undefined) return undefined;
    const { target, start, end } = cover(pending, readOffset(bytes, 0), bytes.readUInt32BE(8));
    target.fill(0, start, end);
    return this.#afterChunk(header, pending);
  }

  #error(header: ChunkHeader, pending: P): Step<P> {
    const bytes = this.#reader.take(header.length);
    if (bytes === undefined) return undefined;
    pending.error ??= decodeErrorPayload(header.type, bytes);
    return this.#afterChunk(header, pending);
  }

  #checkStatus(type: StatusType, header: ChunkHeader, pending: P): void {
    const expected = this.#headers === 'extended' ? REPLY_TYPE.BLOCK_STATUS_EXT : REPLY_TYPE.BLOCK_STATUS;
    if (
      type !== expected ||
      pending.type !== COMMAND.BLOCK_STATUS ||
      !isBlockStatusLength(type, header.length) ||
      header.length > blockStatusStart(type, MAX_STATUS_DESCRIPTORS)
    ) {
      throw misplaced(header);
    }
  }

  #status(state: StatusAnswer<P>): Step<P> {
    const { header, type, pending } = state;
    if (state.surplus === undefined) {
      const kept = Math.min(header.length, blockStatusStart(type, MAX_KEPT_DESCRIPTORS));
      const bytes = this.#reader.take(kept);
      if (bytes === undefined) return undefined;
      const { contextId, descriptors } = decodeBlockStatus(type, bytes, header.length);
      if (contextId !== this.#allocationContext || pending.extents !== undefined) {
        throw protocolError('a reply to a BLOCK_STATUS tells what was not asked for');
      }
      pending.extents = descriptors.map(extentOf);
      state.surplus = header.length - kept;
    }
    state.surplus -= this.#reader.skip(state.surplus);
    return state.surplus > 0 ? undefined : this.#afterChunk(header, pending);
  }

  #afterChunk(header: ChunkHeader, pending: P): Step<P> {
    this.#state = HEADER;
    return isDone(header) ? this.#finish(header.cookie, pending) : 'go on';
  }

  /** The end of a structured reply. */
  #finish(cookie: bigint, pending: P): Answer<P> {
    const { target, error, coverage } = pending;
    if (target !== undefined && error === undefined && !coverage?.isComplete(target.length)) {
      throw protocolError('a reply to a READ ends without an error and without all of the data');
    }
    if (pending.type === COMMAND.BLOCK_STATUS && error === undefined && pending.extents === undefined) {
      throw protocolError('a reply to a BLOCK_STATUS ends without an error and without an answer');
    }
    return this.#answer(cookie, pending, error);
  }

  #answer(cookie: bigint, pending: P, error?: ReplyError): Answer<P> {
    this.#state = HEADER;
    return { cookie, pending, error };
  }

  #find(cookie: bigint): P {
    const pending = this.#requests.get(cookie);
    if (pending === undefined) throw protocolError(`a reply belongs to no request (cookie ${cookie})`);
    return pending;
  }
}

/** An answer, `undefined` for want of bytes, or nothing to tell yet. */
type Step<P extends PendingRequest> = Answer<P> | undefined | 'go on';

/** Notes that a part of a READ arrives; gives its place in the target. */
function cover(
  pending: PendingRequest,
  offset: number,
  length: number,
): { readonly target: Uint8Array; readonly start: number; readonly end: number } {
  const target = pending.target ?? new Uint8Array();
  const start = offset - pending.offset;
  const end = start + length;
  if (length === 0 || start < 0 || end > target.length) {
    throw protocolError('a reply to a READ holds data that was not asked for');
  }
  pending.coverage ??= new Coverage();
  if (!pending.coverage.add(start, end)) throw protocolError('a reply to a READ holds the same data twice');
  return { target, start, end };
}

function isDone(header: ChunkHeader): boolean {
  return (header.flags & REPLY_FLAG.DONE) !== 0;
}

function misplaced({ type, length }: ChunkHeader): Error {
  return protocolError(`a reply chunk ${replyTypeName(type)} of ${length} bytes has no place here`);
}

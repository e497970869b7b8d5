import type { BlockStatus } from './block-status.ts';
import { COMMAND, errorName } from './constants.ts';
import {
  type ChunkOptions,
  chunkHeaderBytes,
  DATA_OFFSET_BYTES,
  encodeErrorChunk,
  encodeNoneChunk,
  encodeSimpleReply,
  encodeStatusChunk,
  type ReplyError,
  SIMPLE_REPLY_BYTES,
  writeDataChunk,
  writeSimpleReply,
} from './replies.ts';
import type { Request } from './requests.ts';
import { describeRequest, type Trace } from './trace.ts';

/** How the replies of a connection look, from the handshake. */
export type ReplyStyle = 'simple' | 'structured' | 'extended';

/** A part of the data of a READ. */
interface Part {
  /** Bytes. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** The last part, and nothing follows it. */
  readonly done: boolean;
}

/** Puts answers into the form that was agreed on. */
export class ReplyFormat {
  readonly style: ReplyStyle;
  readonly #trace: Trace | undefined;

  constructor(style: ReplyStyle, trace?: Trace) {
    this.style = style;
    this.#trace = trace;
  }

  /** The only or last message of a request that succeeded, if it has no data of its own. */
  success(request: Request): Buffer {
    this.#trace?.(`> done: ${describeRequest(request)}`);
    // Structured replies are demanded for READ and BLOCK_STATUS only; this one is shorter.
    return this.style === 'extended' || (this.style === 'structured' && request.type === COMMAND.READ)
      ? encodeNoneChunk(request.cookie, this.#options(request))
      : encodeSimpleReply(request.cookie, 0);
  }

  /** The only or last message of a request that failed. */
  failure(request: Request, error: ReplyError): Buffer {
    this.#trace?.(`> ${errorName(error.error)}: ${describeRequest(request)}: ${error.message}`);
    return this.style === 'simple'
      ? encodeSimpleReply(request.cookie, error.error)
      : encodeErrorChunk(request.cookie, error, this.#options(request));
  }

  /** The answer to BLOCK_STATUS in one of its contexts. */
  status(request: Request, status: BlockStatus, { done }: { readonly done: boolean }): Buffer {
    this.#trace?.(
      `> ${status.descriptors.length} extents in context ${status.contextId}: ${describeRequest(request)}`,
    );
    return encodeStatusChunk(request.cookie, status, this.#options(request, done));
  }

  /** Bytes in front of the data of a READ. */
  dataHeaderBytes(request: Request): number {
    if (this.style === 'simple') return SIMPLE_REPLY_BYTES;
    return chunkHeaderBytes(this.#options(request)) + DATA_OFFSET_BYTES;
  }

  /** Writes what stands in front of data to `target`, so that it ends at `end`; returns where it starts. */
  writeDataHeader(target: Buffer, end: number, request: Request, part: Part): number {
    const start = end - this.dataHeaderBytes(request);
    const { cookie } = request;
    if (this.style === 'simple') writeSimpleReply(target, start, cookie, 0);
    else writeDataChunk(target, start, { cookie, ...part }, this.#options(request, part.done));
    return start;
  }

  /** To be called when a header and its data are sent. */
  dataLeaves(request: Request, { offset, length }: Pick<Part, 'offset' | 'length'>): void {
    this.#trace?.(`> ${length} bytes of data at ${offset}: ${describeRequest(request)}`);
  }

  #options({ offset, exactOffset }: Request, done = true): ChunkOptions {
    return this.style === 'extended' ? { done, requestOffset: exactOffset ?? offset } : { done };
  }
}

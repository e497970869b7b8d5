import {
  CHUNK_ERRORS,
  COMMAND,
  DONE_FLAG,
  EXTENDED_REPLY_MAGIC,
  REPLY_TYPE,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './numbers.ts';
import type { RawRequest } from './messages.ts';

const SIMPLE_HEADER = 16;
const STRUCTURED_HEADER = 20;
const EXTENDED_HEADER = 32;

/** A whole answer to one request. */
export interface ScannedAnswer {
  readonly request: RawRequest;
  /** 0 for success. */
  readonly error: number;
  /** What a READ brought. */
  readonly data: Buffer | undefined;
}

interface Gathered {
  /** Made when the first part of it comes. */
  data: Buffer | undefined;
  error: number;
}

/**
 * Takes the replies of a server apart and holds it to the specification: every reply belongs to a request that is not
 * answered yet, and READs bring all of their data.
 */
export class ReplyScanner {
  readonly #waiting = new Map<bigint, RawRequest>();
  readonly #gathered = new Map<bigint, Gathered>();
  readonly #onAnswer: (answer: ScannedAnswer) => void;
  #bytes = Buffer.alloc(0);

  constructor(onAnswer: (answer: ScannedAnswer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** Requests without an answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  expect(request: RawRequest): void {
    this.#waiting.set(request.cookie, request);
  }

  /** @throws {Error} for what the specification forbids */
  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#bytes, chunk]);
    let used = 0;
    for (;;) {
      const length = this.#message(this.#bytes.subarray(used));
      if (length === 0) break;
      used += length;
    }
    this.#bytes = this.#bytes.subarray(used);
  }

  /** The length of the message at the start, or 0 if it is not there as a whole. */
  #message(bytes: Buffer): number {
    if (bytes.length < SIMPLE_HEADER) return 0;
    switch (bytes.readUInt32BE(0)) {
      case SIMPLE_REPLY_MAGIC:
        return this.#simple(bytes);
      case STRUCTURED_REPLY_MAGIC:
        return this.#structured(bytes);
      case EXTENDED_REPLY_MAGIC:
        return this.#extended(bytes);
      default:
        throw new Error(`a reply begins with ${bytes.toString('hex', 0, 4)}`);
    }
  }

  #simple(bytes: Buffer): number {
    const cookie = bytes.readBigUInt64BE(8);
    const error = bytes.readUInt32BE(4);
    const request = this.#requestOf(cookie);
    const length = request.type === COMMAND.READ && error === 0 ? Number(request.length) : 0;
    if (bytes.length < SIMPLE_HEADER + length) return 0;
    const data = bytes.subarray(SIMPLE_HEADER, SIMPLE_HEADER + length);
    this.#answer({ request, error, data: request.type === COMMAND.READ ? data : undefined });
    return SIMPLE_HEADER + length;
  }

  #structured(bytes: Buffer): number {
    if (bytes.length < STRUCTURED_HEADER) return 0;
    const length = STRUCTURED_HEADER + bytes.readUInt32BE(16);
    if (bytes.length < length) return 0;
    this.#chunk(bytes, bytes.subarray(STRUCTURED_HEADER, length));
    return length;
  }

  #extended(bytes: Buffer): number {
    if (bytes.length < EXTENDED_HEADER) return 0;
    const length = EXTENDED_HEADER + Number(bytes.readBigUInt64BE(24));
    if (bytes.length < length) return 0;
    const request = this.#requestOf(bytes.readBigUInt64BE(8));
    if (bytes.readBigUInt64BE(16) !== BigInt(request.offset)) {
      throw new Error(`a reply tells another offset than its request, which has ${request.offset}`);
    }
    this.#chunk(bytes, bytes.subarray(EXTENDED_HEADER, length));
    return length;
  }

  /** Flags, type and cookie are at the same places in both kinds of header. */
  #chunk(header: Buffer, payload: Buffer): void {
    const flags = header.readUInt16BE(4);
    const type = header.readUInt16BE(6);
    const request = this.#requestOf(header.readBigUInt64BE(8));
    const gathered = this.#gather(request);
    if (type >= CHUNK_ERRORS) gathered.error ||= payload.readUInt32BE(0);
    else if (type === REPLY_TYPE.OFFSET_DATA) place(request, gathered, payload);
    else if (type === REPLY_TYPE.OFFSET_HOLE) targetOf(request, gathered);
    if ((flags & DONE_FLAG) === 0) return;
    this.#gathered.delete(request.cookie);
    this.#answer({ request, ...gathered });
  }

  #gather(request: RawRequest): Gathered {
    const before = this.#gathered.get(request.cookie);
    if (before !== undefined) return before;
    const gathered = { data: undefined, error: 0 };
    this.#gathered.set(request.cookie, gathered);
    return gathered;
  }

  #answer(answer: ScannedAnswer): void {
    if (answer.error === 0 && answer.request.type === COMMAND.READ && answer.data === undefined) {
      throw new Error(`a READ of ${answer.request.length} bytes succeeded`);
    }
    this.#waiting.delete(answer.request.cookie);
    this.#onAnswer(answer);
  }

  #requestOf(cookie: bigint): RawRequest {
    const request = this.#waiting.get(cookie);
    if (request === undefined) throw new Error(`a reply to no request, with the cookie ${cookie}`);
    return request;
  }
}

function place(request: RawRequest, gathered: Gathered, payload: Buffer): void {
  const data = targetOf(request, gathered);
  const start = Number(payload.readBigUInt64BE(0) - BigInt(request.offset));
  if (start < 0 || start + payload.length - 8 > data.length)
    throw new Error('data lie outside of what was asked');
  payload.copy(data, start, 8);
}

function targetOf({ type, length }: RawRequest, gathered: Gathered): Buffer {
  if (type !== COMMAND.READ) throw new Error(`data come for a request of type ${type}`);
  gathered.data ??= Buffer.alloc(Number(length));
  return gathered.data;
}

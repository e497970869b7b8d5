import type { ChunkReader } from './chunk-reader.ts';
import { COMMAND, COMMAND_FLAG } from './constants.ts';
import { MAX_PAYLOAD_BYTES, PIECE_BYTES } from './limits.ts';
import { protocolError } from './nbd-error.ts';
import {
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_REQUEST_BYTES,
  REQUEST_BYTES,
  type Request,
} from './requests.ts';

export type RequestEvent =
  /** If there is a payload, the caller must say what happens to it: `receivePayload` or `skipPayload`. */
  | { readonly kind: 'request'; readonly request: Request }
  /** The buffer given to `receivePayload` is full. */
  | { readonly kind: 'payload' };

type State =
  | { readonly name: 'header' }
  | { readonly name: 'payload-decision' }
  | { readonly name: 'payload'; readonly target: Uint8Array; filled: number }
  | { readonly name: 'skip'; left: number };

const HEADER: State = { name: 'header' };
const PAYLOAD_DECISION: State = { name: 'payload-decision' };
const PAYLOAD: RequestEvent = { kind: 'payload' };

/** The server's side of the transmission phase. It allocates nothing that depends on what the client says. */
export class RequestDecoder {
  readonly #reader: ChunkReader;
  readonly #extended: boolean;
  #state: State = HEADER;
  #payloadLeft = 0;
  #progress = 0;

  /** Goes on where the decoder of the handshake stopped. */
  constructor(reader: ChunkReader, { extended = false } = {}) {
    this.#reader = reader;
    this.#extended = extended;
  }

  /** Bytes of the last request's payload that were not asked for yet. */
  get payloadLeft(): number {
    return this.#payloadLeft;
  }

  /** Whether bytes are missing from something that has begun. */
  get isIncomplete(): boolean {
    return this.#state.name !== 'header' || !this.#reader.isEmpty;
  }

  /** Grows with each event, and with each piece of a payload that is skipped. */
  get progress(): number {
    const state = this.#state;
    return this.#progress - (state.name === 'skip' ? Math.ceil(state.left / PIECE_BYTES) : 0);
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /**
   * The next event, or undefined until more bytes are pushed.
   *
   * @throws {NbdError} `NBD_PROTOCOL`
   */
  next(): RequestEvent | undefined {
    const state = this.#state;
    switch (state.name) {
      case 'skip':
        state.left -= this.#reader.skip(state.left);
        if (state.left > 0) return undefined;
        this.#state = HEADER;
        return this.#nextRequest();
      case 'header':
        return this.#nextRequest();
      case 'payload':
        state.filled += this.#reader.copyTo(state.target, state.filled, state.target.length);
        if (state.filled < state.target.length) return undefined;
        this.#progress++;
        this.#state = this.#payloadLeft > 0 ? PAYLOAD_DECISION : HEADER;
        return PAYLOAD;
      case 'payload-decision':
        throw new TypeError('the payload of a request must be received or skipped first');
    }
  }

  /** Puts the next bytes of the payload into `target`, all of which they must fill. */
  receivePayload(target: Uint8Array): void {
    if (this.#state.name !== 'payload-decision' || target.length > this.#payloadLeft) {
      throw new TypeError('no payload of that length was reported');
    }
    this.#payloadLeft -= target.length;
    this.#state = { name: 'payload', target, filled: 0 };
  }

  /** Drops what is left of the payload. */
  skipPayload(): void {
    if (this.#state.name !== 'payload-decision') throw new TypeError('no payload was reported');
    this.#progress += Math.ceil(this.#payloadLeft / PIECE_BYTES);
    this.#state = { name: 'skip', left: this.#payloadLeft };
    this.#payloadLeft = 0;
  }

  #nextRequest(): RequestEvent | undefined {
    const bytes = this.#reader.take(this.#extended ? EXTENDED_REQUEST_BYTES : REQUEST_BYTES);
    if (bytes === undefined) return undefined;
    this.#progress++;
    const request = this.#extended ? decodeExtendedRequest(bytes) : decodeRequest(bytes);
    this.#payloadLeft = this.#extended ? extendedPayload(request) : compactPayload(request);
    if (this.#payloadLeft > 0) this.#state = PAYLOAD_DECISION;
    return { kind: 'request', request };
  }
}

function compactPayload({ type, length }: Request): number {
  return type === COMMAND.WRITE ? length : 0;
}

/** @throws {NbdError} `NBD_PROTOCOL`: 64-bit lengths are not for payloads, which nobody would wait for */
function extendedPayload({ flags, length }: Request): number {
  if ((flags & COMMAND_FLAG.PAYLOAD_LEN) === 0) return 0;
  if (length > MAX_PAYLOAD_BYTES) {
    throw protocolError(
      `a request with a payload of ${length} bytes; at most ${MAX_PAYLOAD_BYTES} are accepted`,
    );
  }
  return length;
}

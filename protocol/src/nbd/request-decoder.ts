import type { ChunkReader } from './chunk-reader.ts';
import { COMMAND } from './constants.ts';
import { decodeRequest, REQUEST_BYTES, type Request } from './requests.ts';

export type RequestEvent =
  /** After a WRITE the caller must say what happens to its data: `receivePayload` or `skipPayload`. */
  | { readonly kind: 'request'; readonly request: Request }
  /** The buffer given to `receivePayload` is full. */
  | { readonly kind: 'payload' };

type State =
  | { readonly name: 'header' }
  | { readonly name: 'payload-decision'; readonly length: number }
  | { readonly name: 'payload'; readonly target: Uint8Array; filled: number }
  | { readonly name: 'skip'; left: number };

const HEADER: State = { name: 'header' };
const PAYLOAD: RequestEvent = { kind: 'payload' };

/** The server's side of the transmission phase. It allocates nothing that depends on what the client says. */
export class RequestDecoder {
  readonly #reader: ChunkReader;
  #state: State = HEADER;

  /** Goes on where the decoder of the handshake stopped. */
  constructor(reader: ChunkReader) {
    this.#reader = reader;
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
        return this.#nextRequest();
      case 'header':
        return this.#nextRequest();
      case 'payload':
        state.filled += this.#reader.copyTo(state.target, state.filled, state.target.length);
        if (state.filled < state.target.length) return undefined;
        this.#state = HEADER;
        return PAYLOAD;
      case 'payload-decision':
        throw new TypeError('the data of a WRITE must be received or skipped first');
    }
  }

  /** Puts the data of the WRITE just reported into `target`, which must have its length. */
  receivePayload(target: Uint8Array): void {
    this.#decide(target.length);
    this.#state = { name: 'payload', target, filled: 0 };
  }

  /** Drops the data of the WRITE just reported. */
  skipPayload(): void {
    this.#state = { name: 'skip', left: this.#decide() };
  }

  #nextRequest(): RequestEvent | undefined {
    const bytes = this.#reader.take(REQUEST_BYTES);
    if (bytes === undefined) {
      this.#state = HEADER;
      return undefined;
    }
    const request = decodeRequest(bytes);
    this.#state =
      request.type === COMMAND.WRITE ? { name: 'payload-decision', length: request.length } : HEADER;
    return { kind: 'request', request };
  }

  #decide(length?: number): number {
    const state = this.#state;
    if (state.name !== 'payload-decision' || (length !== undefined && length !== state.length)) {
      throw new TypeError('no WRITE of that length was reported');
    }
    return state.length;
  }
}

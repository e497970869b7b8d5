import type { ChunkReader } from './chunk-reader.ts';
import { CLIENT_FLAGS_BYTES, decodeClientFlags } from './handshake.ts';
import { MAX_OPTION_BYTES } from './limits.ts';
import { decodeOptionHeader, OPTION_HEADER_BYTES, type OptionHeader } from './options.ts';

export type OptionEvent =
  | { readonly kind: 'client-flags'; readonly flags: number }
  | { readonly kind: 'option'; readonly option: number; readonly data: Buffer }
  /** The data was longer than {@link MAX_OPTION_BYTES} and has been skipped. */
  | { readonly kind: 'oversized-option'; readonly option: number; readonly length: number };

type State =
  | { readonly name: 'client-flags' }
  | { readonly name: 'header' }
  | { readonly name: 'data'; readonly header: OptionHeader }
  | { readonly name: 'skip'; readonly header: OptionHeader; left: number };

/** The server's side of the handshake: what a client sends until it enters the transmission phase. */
export class OptionDecoder {
  readonly #reader: ChunkReader;
  #state: State;

  /** @param options.clientFlags false if they have come already: they are not repeated in TLS */
  constructor(reader: ChunkReader, { clientFlags = true } = {}) {
    this.#reader = reader;
    this.#state = { name: clientFlags ? 'client-flags' : 'header' };
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /**
   * The next event, or undefined until more bytes are pushed. The data of an option is valid until the next call.
   *
   * @throws {NbdError} `NBD_PROTOCOL`
   */
  next(): OptionEvent | undefined {
    for (;;) {
      switch (this.#state.name) {
        case 'client-flags': {
          const bytes = this.#reader.take(CLIENT_FLAGS_BYTES);
          if (bytes === undefined) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'client-flags', flags: decodeClientFlags(bytes) };
        }
        case 'header': {
          const bytes = this.#reader.take(OPTION_HEADER_BYTES);
          if (bytes === undefined) return undefined;
          const header = decodeOptionHeader(bytes);
          this.#state =
            header.length > MAX_OPTION_BYTES
              ? { name: 'skip', header, left: header.length }
              : { name: 'data', header };
          break;
        }
        case 'data': {
          const { option, length } = this.#state.header;
          const data = this.#reader.take(length);
          if (data === undefined) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'option', option, data };
        }
        case 'skip': {
          const { header } = this.#state;
          this.#state.left -= this.#reader.skip(this.#state.left);
          if (this.#state.left > 0) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'oversized-option', ...header };
        }
      }
    }
  }
}

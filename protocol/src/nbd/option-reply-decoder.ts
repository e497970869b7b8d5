import type { ChunkReader } from './chunk-reader.ts';
import { optionName } from './constants.ts';
import { decodeGreeting, GREETING_BYTES } from './handshake.ts';
import { MAX_OPTION_REPLY_BYTES } from './limits.ts';
import { protocolError } from './nbd-error.ts';
import {
  decodeExportNameReply,
  decodeOptionReplyHeader,
  exportNameReplyBytes,
  OPTION_REPLY_HEADER_BYTES,
  type OptionReplyHeader,
} from './option-replies.ts';

export type OptionReplyEvent =
  | { readonly kind: 'greeting'; readonly flags: number }
  | { readonly kind: 'reply'; readonly option: number; readonly type: number; readonly data: Buffer }
  | { readonly kind: 'export-name-reply'; readonly size: number; readonly flags: number };

type State =
  | { readonly name: 'greeting' }
  | { readonly name: 'header' }
  | { readonly name: 'data'; readonly header: OptionReplyHeader }
  | { readonly name: 'export-name'; readonly length: number };

/** The client's side of the handshake: what a server sends until the transmission phase. */
export class OptionReplyDecoder {
  readonly #reader: ChunkReader;
  #state: State = { name: 'greeting' };

  constructor(reader: ChunkReader) {
    this.#reader = reader;
  }

  push(chunk: Uint8Array): void {
    this.#reader.push(chunk);
  }

  /** The reply to NBD_OPT_EXPORT_NAME has a form of its own: to be called when that option is sent. */
  expectExportNameReply(noZeroes: boolean): void {
    this.#state = { name: 'export-name', length: exportNameReplyBytes(noZeroes) };
  }

  /**
   * The next event, or undefined until more bytes are pushed. Its data is a copy.
   *
   * @throws {NbdError} `NBD_PROTOCOL`
   */
  next(): OptionReplyEvent | undefined {
    for (;;) {
      switch (this.#state.name) {
        case 'greeting': {
          const bytes = this.#reader.take(GREETING_BYTES);
          if (bytes === undefined) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'greeting', flags: decodeGreeting(bytes) };
        }
        case 'header': {
          const bytes = this.#reader.take(OPTION_REPLY_HEADER_BYTES);
          if (bytes === undefined) return undefined;
          this.#state = { name: 'data', header: checkLength(decodeOptionReplyHeader(bytes)) };
          break;
        }
        case 'data': {
          const { option, type, length } = this.#state.header;
          const data = this.#reader.take(length);
          if (data === undefined) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'reply', option, type, data: Buffer.from(data) };
        }
        case 'export-name': {
          const bytes = this.#reader.take(this.#state.length);
          if (bytes === undefined) return undefined;
          this.#state = { name: 'header' };
          return { kind: 'export-name-reply', ...decodeExportNameReply(bytes) };
        }
      }
    }
  }
}

function checkLength(header: OptionReplyHeader): OptionReplyHeader {
  if (header.length > MAX_OPTION_REPLY_BYTES) {
    throw protocolError(
      `a reply to ${optionName(header.option)} has ${header.length} bytes; at most ${MAX_OPTION_REPLY_BYTES} are accepted`,
    );
  }
  return header;
}

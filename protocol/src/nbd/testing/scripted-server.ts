import type { Duplex } from 'node:stream';
import { HANDSHAKE_FLAG, INFO, OPTION, OPTION_REPLY, TRANSMISSION_FLAG } from '../constants.ts';
import { encodeGreeting } from '../handshake.ts';
import {
  type BlockSizes,
  encodeErrorReply,
  encodeExportNameReply,
  encodeInfoReply,
  encodeOptionReply,
} from '../option-replies.ts';
import { decodeOptionHeader } from '../options.ts';
import { decodeMetaContextRequest, encodeMetaContextReply } from '../meta-contexts.ts';
import {
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_REQUEST_BYTES,
  REQUEST_BYTES,
  type Request,
} from '../requests.ts';
import { RawClient } from './raw-client.ts';

export interface Script {
  readonly handshakeFlags?: number;
  /** Options that are refused, by error type. */
  readonly refuse?: Readonly<Record<number, number>>;
  readonly size?: number;
  readonly flags?: number;
  readonly blockSizes?: BlockSizes;
  /** Knows extended headers. */
  readonly extendedHeaders?: boolean;
  /** The metadata contexts that it has; the number of each is its place here. */
  readonly contexts?: readonly string[];
}

/** A server that does what a test wants, message by message. */
export class ScriptedServer {
  readonly raw: RawClient;
  /** Options in the order in which they came. */
  readonly options: number[] = [];
  readonly #script: Required<Omit<Script, 'blockSizes'>> & Pick<Script, 'blockSizes'>;

  constructor(stream: Duplex, script: Script = {}) {
    this.raw = new RawClient(stream);
    this.#script = {
      handshakeFlags: HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES,
      refuse: {},
      size: 1024 * 1024,
      flags: TRANSMISSION_FLAG.HAS_FLAGS,
      extendedHeaders: false,
      contexts: [],
      ...script,
    };
  }

  /** Goes through the handshake into the transmission phase. */
  async handshake(): Promise<void> {
    const { handshakeFlags, size, flags, blockSizes, contexts } = this.#script;
    const refuse = {
      ...(this.#script.extendedHeaders ? {} : { [OPTION.EXTENDED_HEADERS]: OPTION_REPLY.ERR_UNSUP }),
      ...this.#script.refuse,
    };
    this.raw.send(encodeGreeting(handshakeFlags));
    const clientFlags = (await this.raw.receive(4)).readUInt32BE(0);
    for (;;) {
      const { option, length } = decodeOptionHeader(await this.raw.receive(16));
      const data = await this.raw.receive(length);
      this.options.push(option);
      const error = (refuse as Readonly<Record<number, number>>)[option];
      if (error !== undefined) {
        this.raw.send(encodeErrorReply(option, error, 'as the test wants'));
      } else if (option === OPTION.EXPORT_NAME) {
        this.raw.send(encodeExportNameReply(size, flags, (clientFlags & 2) !== 0));
        return;
      } else {
        if (option === OPTION.GO) {
          this.raw.send(encodeInfoReply(option, { type: INFO.EXPORT, size, flags }));
          if (blockSizes !== undefined) {
            this.raw.send(encodeInfoReply(option, { type: INFO.BLOCK_SIZE, ...blockSizes }));
          }
        }
        if (option === OPTION.LIST_META_CONTEXT || option === OPTION.SET_META_CONTEXT) {
          const { queries } = decodeMetaContextRequest(option, data);
          for (const [id, name] of contexts.entries()) {
            const wanted = queries.some(
              (query) => name === query || (query.endsWith(':') && name.startsWith(query)),
            );
            if (wanted) this.raw.send(encodeMetaContextReply(option, { id, name }));
          }
        }
        this.raw.send(encodeOptionReply(option, OPTION_REPLY.ACK));
        if (option === OPTION.GO) return;
      }
    }
  }

  async request(): Promise<Request> {
    return this.#script.extendedHeaders
      ? decodeExtendedRequest(await this.raw.receive(EXTENDED_REQUEST_BYTES))
      : decodeRequest(await this.raw.receive(REQUEST_BYTES));
  }

  send(...messages: Uint8Array[]): void {
    this.raw.send(...messages);
  }
}

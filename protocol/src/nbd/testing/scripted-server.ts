import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
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
  readonly description?: string;
  /** Knows extended headers. */
  readonly extendedHeaders?: boolean;
  /** The metadata contexts that it has; the number of each is its place here. */
  readonly contexts?: readonly string[];
  /** Knows NBD_OPT_STARTTLS. */
  readonly secureContext?: SecureContext;
}

type Optional = 'blockSizes' | 'description' | 'secureContext';

/** A server that does what a test wants, message by message. */
export class ScriptedServer {
  raw: RawClient;
  /** The server's end of TLS, if that was started. */
  secured: TLSSocket | undefined;
  /** Options in the order in which they came, since TLS was started. */
  readonly options: number[] = [];
  readonly #stream: Duplex;
  readonly #script: Required<Omit<Script, Optional>> & Pick<Script, Optional>;

  constructor(stream: Duplex, script: Script = {}) {
    this.#stream = stream;
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
    const { handshakeFlags, size, flags, blockSizes, description, contexts, secureContext } = this.#script;
    const refuse: Readonly<Record<number, number | undefined>> = {
      ...(this.#script.extendedHeaders ? {} : { [OPTION.EXTENDED_HEADERS]: OPTION_REPLY.ERR_UNSUP }),
      ...(secureContext === undefined ? { [OPTION.STARTTLS]: OPTION_REPLY.ERR_UNSUP } : {}),
      ...this.#script.refuse,
    };
    this.raw.send(encodeGreeting(handshakeFlags));
    const clientFlags = (await this.raw.receive(4)).readUInt32BE(0);
    for (;;) {
      const { option, length } = decodeOptionHeader(await this.raw.receive(16));
      const data = await this.raw.receive(length);
      this.options.push(option);
      const error = refuse[option];
      if (error !== undefined) {
        this.raw.send(encodeErrorReply(option, error, 'as the test wants'));
      } else if (option === OPTION.EXPORT_NAME) {
        this.raw.send(encodeExportNameReply(size, flags, (clientFlags & 2) !== 0));
        return;
      } else {
        if (option === OPTION.GO) {
          this.raw.send(encodeInfoReply(option, { type: INFO.EXPORT, size, flags }));
          if (description !== undefined) {
            this.raw.send(encodeInfoReply(option, { type: INFO.DESCRIPTION, description }));
          }
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
        if (option === OPTION.STARTTLS && secureContext !== undefined) this.#startTls(secureContext);
      }
    }
  }

  #startTls(secureContext: SecureContext): void {
    this.secured = new TLSSocket(this.#stream, {
      isServer: true,
      secureContext,
      requestCert: true,
      rejectUnauthorized: false,
    });
    this.raw = new RawClient(this.secured);
    this.options.length = 0;
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

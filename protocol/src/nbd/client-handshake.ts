import { ChunkReader } from './chunk-reader.ts';
import type { ClientLink, Receiver } from './client-link.ts';
import {
  CLIENT_FLAG,
  HANDSHAKE_FLAG,
  INFO,
  OPTION,
  OPTION_REPLY,
  optionName,
  optionReplyName,
} from './constants.ts';
import type { ClientTls } from './client-tls.ts';
import { answerFlags, encodeClientFlags } from './handshake.ts';
import { MAX_LISTED_EXPORTS } from './limits.ts';
import {
  ALLOCATION_CONTEXT,
  decodeMetaContextReply,
  encodeMetaContextRequest,
  IDENTITY_NAMESPACE,
  identityOf,
  type MetaContext,
  type MetaContextRequest,
} from './meta-contexts.ts';
import { NbdError, protocolError } from './nbd-error.ts';
import { type OptionReplyEvent, OptionReplyDecoder } from './option-reply-decoder.ts';
import {
  type BlockSizes,
  decodeInfo,
  decodeServerReply,
  isErrorReply,
  type ListedExport,
} from './option-replies.ts';
import type { Headers } from './reply-decoder.ts';
import { encodeInfoRequest, encodeOption } from './options.ts';
import { encodeText, readString } from './wire.ts';

/** What a server told of an export. */
export interface ExportDescription {
  /** Bytes. */
  readonly size: number;
  /** Values of TRANSMISSION_FLAG. */
  readonly flags: number;
  readonly description: string | undefined;
  readonly blockSizes: BlockSizes | undefined;
}

/** A server's refusal of an option, in its words. */
interface Refusal {
  readonly type: number;
  readonly message: string;
}

type Waiter = {
  readonly resolve: (event: OptionReplyEvent) => void;
  readonly reject: (reason: Error) => void;
};

/** The client's side of the handshake over one link: asks, and waits for each answer. */
export class ClientHandshake implements Receiver {
  /** Goes to the decoder of the transmission phase. */
  readonly reader = new ChunkReader();
  readonly #link: ClientLink;
  readonly #decoder = new OptionReplyDecoder(this.reader);
  readonly #events: OptionReplyEvent[] = [];
  #waiter: Waiter | undefined;
  #endReason: Error | undefined;
  #fixedNewstyle = false;
  #noZeroes = false;

  constructor(link: ClientLink) {
    this.#link = link;
    link.receiver = this;
  }

  /** Reads the greeting and answers it. */
  async greet(): Promise<void> {
    const event = await this.#next();
    this.#link.trace?.(`= connected to ${this.#link.peer}`);
    if (event.kind !== 'greeting') throw protocolError('it does not greet');
    const flags = answerFlags(event.flags);
    this.#fixedNewstyle = (event.flags & HANDSHAKE_FLAG.FIXED_NEWSTYLE) !== 0;
    this.#noZeroes = (flags & CLIENT_FLAG.NO_ZEROES) !== 0;
    this.#link.send(encodeClientFlags(flags));
  }

  /**
   * Goes on under TLS, if the server knows how; the connection is given up otherwise, because a plain one was not asked for.
   *
   * @throws {NbdError} `NBD_UNTRUSTED`, `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST`
   */
  async secure(tls: ClientTls): Promise<void> {
    const refusal = this.#fixedNewstyle
      ? await this.#ask(OPTION.STARTTLS)
      : { type: OPTION_REPLY.ERR_UNSUP, message: '' };
    if (refusal !== undefined) {
      this.abort();
      throw this.#refused(
        'an encrypted connection',
        refusal.type === OPTION_REPLY.ERR_UNSUP
          ? { ...refusal, message: 'it knows no encryption; pass --insecure if you trust the network' }
          : refusal,
      );
    }
    this.#refuseLeftovers();
    await this.#link.secure(tls);
    this.#refuseLeftovers();
  }

  /** What came before TLS could be from anybody, and must not be taken for the server's words (specification, "STARTTLS"). */
  #refuseLeftovers(): void {
    if (this.#events.length > 0 || !this.reader.isEmpty) {
      throw protocolError('it sends more in plain text after it agreed to TLS');
    }
  }

  /** Asks for the best form of messages that the server knows. */
  async agreeOnHeaders(): Promise<Headers> {
    if (!this.#fixedNewstyle) return 'simple';
    if ((await this.#ask(OPTION.EXTENDED_HEADERS)) === undefined) return 'extended';
    return (await this.#ask(OPTION.STRUCTURED_REPLY)) === undefined ? 'structured' : 'simple';
  }

  /** The text that names the disk behind an export, if the server has one; {@link agreeOnHeaders} comes before. */
  async identify(exportName: string): Promise<string | undefined> {
    const [context] = await this.#metaContexts(
      OPTION.LIST_META_CONTEXT,
      { exportName, queries: [IDENTITY_NAMESPACE] },
      (name) => identityOf(name) !== undefined,
    );
    return context === undefined ? undefined : identityOf(context.name);
  }

  /** Asks to be told of holes; the number of the metadata context if the server agrees. To be entered is the same export. */
  async agreeOnAllocation(exportName: string): Promise<number | undefined> {
    const [context] = await this.#metaContexts(
      OPTION.SET_META_CONTEXT,
      { exportName, queries: [ALLOCATION_CONTEXT] },
      (name) => name === ALLOCATION_CONTEXT,
    );
    return context?.id;
  }

  /** The contexts of an answer that are wanted; none if the server does not know such options. */
  async #metaContexts(
    option: number,
    request: MetaContextRequest,
    isWanted: (name: string) => boolean,
  ): Promise<readonly MetaContext[]> {
    const contexts: MetaContext[] = [];
    const refusal = await this.#ask(option, encodeMetaContextRequest(request), (type, data) => {
      if (type !== OPTION_REPLY.META_CONTEXT) return;
      const context = decodeMetaContextReply(data);
      if (!isWanted(context.name)) return;
      if (contexts.length > 0) throw protocolError(`it names two metadata contexts where one was asked for`);
      contexts.push(context);
    });
    return refusal === undefined ? contexts : [];
  }

  /**
   * Enters the transmission phase.
   *
   * @throws {NbdError} `NBD_UNKNOWN_EXPORT`, `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST`
   */
  async enter(exportName: string): Promise<ExportDescription> {
    if (!this.#fixedNewstyle) return this.#enterByExportName(exportName);
    const answer = await this.#inform(OPTION.GO, exportName);
    if (!('type' in answer)) return answer;
    if (answer.type === OPTION_REPLY.ERR_UNSUP) return this.#enterByExportName(exportName);
    const error =
      answer.type === OPTION_REPLY.ERR_UNKNOWN
        ? await this.#unknownExport(exportName, answer.message)
        : this.#refused(`the export "${exportName}"`, answer);
    this.abort();
    throw error;
  }

  /**
   * Describes an export without entering it; undefined if the server is too old for that.
   *
   * @throws {NbdError} `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST`
   */
  async describe(exportName: string): Promise<ExportDescription | undefined> {
    const answer = await this.#inform(OPTION.INFO, exportName);
    if (!('type' in answer)) return answer;
    if (answer.type === OPTION_REPLY.ERR_UNSUP) return undefined;
    throw this.#refused(`the export "${exportName}"`, answer);
  }

  /** @throws {NbdError} `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST` */
  async list(): Promise<readonly ListedExport[]> {
    const exports: ListedExport[] = [];
    const refusal = this.#fixedNewstyle
      ? await this.#ask(OPTION.LIST, undefined, (type, data) => {
          if (type !== OPTION_REPLY.SERVER) return;
          if (exports.length === MAX_LISTED_EXPORTS) {
            throw protocolError(`it lists more than ${MAX_LISTED_EXPORTS} exports`);
          }
          exports.push(decodeServerReply(data));
        })
      : { type: OPTION_REPLY.ERR_UNSUP, message: '' };
    if (refusal === undefined) return exports;
    this.abort();
    throw this.#refused('the list of its exports', refusal);
  }

  /** Says that no export will be chosen; the connection is to be closed after it. */
  abort(): void {
    if (this.#fixedNewstyle) this.#send(OPTION.ABORT);
  }

  // What the link calls

  directTarget(): undefined {
    return undefined;
  }

  receivedDirectly(): void {}

  received(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
    // The chunk is reused: all that it holds is taken out at once.
    for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) {
      const waiter = this.#waiter;
      this.#waiter = undefined;
      if (waiter === undefined) this.#events.push(event);
      else waiter.resolve(event);
    }
  }

  ended(reason: Error): void {
    this.#endReason = reason;
    this.#waiter?.reject(reason);
  }

  // What it is made of

  #next(): Promise<OptionReplyEvent> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve(event);
    if (this.#endReason !== undefined) return Promise.reject(this.#endReason);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #send(option: number, data: Uint8Array = Buffer.alloc(0)): void {
    this.#link.trace?.(`> ${optionName(option)}, ${data.length} bytes of data`);
    this.#link.send(encodeOption(option, data));
  }

  /** Sends an option and reads its replies to the last; undefined if the server agrees. */
  async #ask(
    option: number,
    data?: Uint8Array,
    onReply: (type: number, data: Buffer) => void = () => {},
  ): Promise<Refusal | undefined> {
    this.#send(option, data);
    for (;;) {
      const event = await this.#next();
      if (event.kind !== 'reply' || event.option !== option) throw protocolError('a reply to no question');
      this.#link.trace?.(`< ${optionReplyName(event.type)} to ${optionName(option)}`);
      if (event.type === OPTION_REPLY.ACK) return undefined;
      if (isErrorReply(event.type)) return { type: event.type, message: readString(event.data) };
      onReply(event.type, event.data);
    }
  }

  async #inform(option: number, exportName: string): Promise<ExportDescription | Refusal> {
    const infos = [INFO.NAME, INFO.DESCRIPTION, INFO.BLOCK_SIZE];
    let basics: { readonly size: number; readonly flags: number } | undefined;
    let description: string | undefined;
    let blockSizes: BlockSizes | undefined;
    const refusal = await this.#ask(option, encodeInfoRequest({ exportName, infos }), (type, data) => {
      const info = type === OPTION_REPLY.INFO ? decodeInfo(data) : undefined;
      if (info?.type === INFO.EXPORT) basics = info;
      else if (info?.type === INFO.DESCRIPTION) description = info.description;
      else if (info?.type === INFO.BLOCK_SIZE) blockSizes = info;
    });
    if (refusal !== undefined) return refusal;
    if (basics === undefined) throw protocolError('it accepts an export without telling its size');
    return { size: basics.size, flags: basics.flags, description, blockSizes };
  }

  /** How servers before 2016 are entered. They refuse by hanging up. */
  async #enterByExportName(exportName: string): Promise<ExportDescription> {
    this.#decoder.expectExportNameReply(this.#noZeroes);
    this.#send(OPTION.EXPORT_NAME, encodeText(exportName));
    const event = await this.#next().catch((cause: unknown) => {
      const message = `${this.#link.peer} hung up when asked for the export "${exportName}"; it seems to have none of that name`;
      throw new NbdError('NBD_UNKNOWN_EXPORT', message, { cause });
    });
    if (event.kind !== 'export-name-reply') throw protocolError('a reply to no question');
    return { size: event.size, flags: event.flags, description: undefined, blockSizes: undefined };
  }

  async #unknownExport(exportName: string, words: string): Promise<NbdError> {
    const names = await this.list().then(
      (exports) => exports.map(({ name }) => (name === '' ? '"" (the default)' : name)).join(', '),
      () => undefined,
    );
    const wanted = exportName === '' ? 'no default export' : `no export "${exportName}"`;
    const has = names === undefined ? words : `it has ${names === '' ? 'none at all' : names}`;
    return new NbdError(
      'NBD_UNKNOWN_EXPORT',
      `${this.#link.peer} has ${wanted}${has === '' ? '' : `; ${has}`}`,
    );
  }

  #refused(what: string, refusal: Refusal): NbdError {
    return new NbdError('NBD_REFUSED', `${this.#link.peer} refuses ${what}: ${reasonOf(refusal)}`);
  }
}

function reasonOf({ type, message }: Refusal): string {
  if (type === OPTION_REPLY.ERR_TLS_REQD) {
    return `it serves encrypted connections only${message === '' ? '' : `: ${message}`}`;
  }
  return `${message === '' ? 'without a reason' : message} (${optionReplyName(type)})`;
}

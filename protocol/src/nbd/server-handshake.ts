import type { TLSSocket } from 'node:tls';
import {
  CLIENT_FLAG,
  HANDSHAKE_FLAG,
  INFO,
  OPTION,
  OPTION_REPLY,
  optionName,
  optionReplyName,
} from './constants.ts';
import type { Admission } from './export-catalog.ts';
import { encodeGreeting } from './handshake.ts';
import { MAX_OPTION_BYTES, MAX_OPTIONS, SHUTDOWN_PATIENCE_MS } from './limits.ts';
import { protocolError } from './nbd-error.ts';
import { OptionDecoder, type OptionEvent } from './option-decoder.ts';
import { encodeErrorReply, encodeExportNameReply, encodeOptionReply } from './option-replies.ts';
import type { Agreement } from './request-refusal.ts';
import type { ServedExport } from './served-export.ts';
import type { ServerConnection, ServerTls } from './server-connection.ts';
import {
  agreeOnExtendedHeaders,
  agreeOnStructuredReplies,
  closeDisk,
  contextsFor,
  flagsOf,
  infoReplies,
  infoRequest,
  listExports,
  metaContexts,
  type Negotiation,
  openExport,
  OptionRefusal,
} from './server-options.ts';
import type { Trace } from './trace.ts';
import { readString } from './wire.ts';

export interface HandshakeContext {
  readonly connection: ServerConnection;
  readonly admit: (secured: TLSSocket | undefined) => Admission;
  readonly multiConnection: boolean;
  readonly tls: ServerTls | undefined;
  readonly shutdown: AbortSignal | undefined;
  readonly trace: Trace | undefined;
}

/** The export that a client chose, and what it agreed to. */
export interface Chosen {
  readonly served: ServedExport;
  readonly agreement: Agreement;
}

/** What follows an option. */
type Outcome = 'next option' | 'end' | Chosen;
type Option = Exclude<OptionEvent, { readonly kind: 'client-flags' }>;

/**
 * Greets a client and answers its options until it has chosen an export; undefined if it goes away instead.
 *
 * @throws {NbdError} `NBD_PROTOCOL`, `NBD_LOST`; any error of the stream
 */
export async function negotiate(context: HandshakeContext): Promise<Chosen | undefined> {
  const { connection, shutdown } = context;
  let timer: NodeJS.Timeout | undefined;
  const onShutdown = (): void => {
    timer ??= setTimeout(() => connection.destroy(), SHUTDOWN_PATIENCE_MS);
  };
  shutdown?.addEventListener('abort', onShutdown);
  if (shutdown?.aborted === true) onShutdown();
  try {
    return await new ServerHandshake(context).run();
  } finally {
    clearTimeout(timer);
    shutdown?.removeEventListener('abort', onShutdown);
  }
}

class ServerHandshake {
  readonly #context: HandshakeContext;
  #negotiation: Negotiation;
  #decoder: OptionDecoder;
  #noZeroes = false;

  constructor(context: HandshakeContext) {
    this.#context = context;
    this.#negotiation = this.#nothingAgreed();
    this.#decoder = new OptionDecoder(context.connection.reader);
  }

  async run(): Promise<Chosen | undefined> {
    const { connection } = this.#context;
    await connection.send(encodeGreeting(HANDSHAKE_FLAG.FIXED_NEWSTYLE | HANDSHAKE_FLAG.NO_ZEROES));
    for (let options = 0; options <= MAX_OPTIONS; ) {
      const event = this.#decoder.next();
      if (event === undefined) {
        const chunk = await connection.inflow.next();
        if (chunk === undefined) return undefined;
        this.#decoder.push(chunk);
      } else if (event.kind === 'client-flags') {
        this.#noZeroes = (event.flags & CLIENT_FLAG.NO_ZEROES) !== 0;
      } else {
        options++;
        const outcome = await this.#answer(event);
        if (outcome === 'end') return undefined;
        if (outcome !== 'next option') return outcome;
      }
    }
    throw protocolError(`more than ${MAX_OPTIONS} options without choosing an export`);
  }

  /** Answers an option, and refuses it with the words of whatever goes wrong. */
  async #answer(event: Option): Promise<Outcome> {
    const { option } = event;
    const length = event.kind === 'option' ? event.data.length : event.length;
    this.#context.trace?.(`< ${optionName(option)}, ${length} bytes of data`);
    // NBD_OPT_EXPORT_NAME cannot be refused but by hanging up.
    if (option === OPTION.EXPORT_NAME) return this.#enterByExportName(event);
    try {
      return await this.#carryOut(event);
    } catch (error) {
      if (!(error instanceof OptionRefusal)) throw error;
      const { type, message } = error;
      await this.#send(option, type, encodeErrorReply(option, type, message), message);
      return this.#isShutDown ? 'end' : 'next option';
    }
  }

  async #carryOut(event: Option): Promise<Outcome> {
    const { option } = event;
    this.#checkGates(option);
    if (event.kind === 'oversized-option') {
      const message = `${optionName(option)} with ${event.length} bytes; at most ${MAX_OPTION_BYTES} are accepted`;
      throw new OptionRefusal(OPTION_REPLY.ERR_TOO_BIG, message);
    }
    const { data } = event;
    switch (option) {
      case OPTION.ABORT:
        await this.#acknowledge(option);
        return 'end';
      case OPTION.STARTTLS:
        return this.#startTls(data);
      case OPTION.LIST:
        return this.#acknowledge(option, await listExports(this.#negotiation, data));
      case OPTION.INFO:
      case OPTION.GO:
        return this.#describeExport(option, data);
      case OPTION.STRUCTURED_REPLY:
        agreeOnStructuredReplies(this.#negotiation, data);
        return this.#acknowledge(option);
      case OPTION.EXTENDED_HEADERS:
        agreeOnExtendedHeaders(this.#negotiation, data);
        return this.#acknowledge(option);
      case OPTION.LIST_META_CONTEXT:
      case OPTION.SET_META_CONTEXT:
        return this.#acknowledge(option, await metaContexts(this.#negotiation, option, data));
      default:
        throw new OptionRefusal(OPTION_REPLY.ERR_UNSUP, 'this server does not know the option');
    }
  }

  /** What comes before the question whether an option is known. */
  #checkGates(option: number): void {
    if (option === OPTION.ABORT) return;
    if (this.#isShutDown) {
      throw new OptionRefusal(OPTION_REPLY.ERR_SHUTDOWN, 'this server is being shut down');
    }
    if (option !== OPTION.STARTTLS && this.#demandsTls) {
      const message = 'this server serves encrypted connections only; NBD_OPT_STARTTLS must come first';
      throw new OptionRefusal(OPTION_REPLY.ERR_TLS_REQD, message);
    }
  }

  async #startTls(data: Buffer): Promise<Outcome> {
    const { connection, tls, trace } = this.#context;
    if (connection.secured !== undefined) {
      throw new OptionRefusal(OPTION_REPLY.ERR_INVALID, 'the connection is encrypted already');
    }
    if (data.length > 0) throw new OptionRefusal(OPTION_REPLY.ERR_INVALID, 'it takes no data');
    if (tls === undefined) throw new OptionRefusal(OPTION_REPLY.ERR_UNSUP, 'this server does not encrypt');
    trace?.('> NBD_REP_ACK to NBD_OPT_STARTTLS');
    const secured = await connection.secure(tls, encodeOptionReply(OPTION.STARTTLS, OPTION_REPLY.ACK));
    trace?.(`= ${secured.getProtocol()} ${secured.getCipher().name}`);
    // What was said before could have been said by somebody else.
    this.#negotiation = this.#nothingAgreed();
    this.#decoder = new OptionDecoder(connection.reader, { clientFlags: false });
    return 'next option';
  }

  /** NBD_OPT_INFO and NBD_OPT_GO, which differ in what happens after the same answer. */
  async #describeExport(option: number, data: Buffer): Promise<Outcome> {
    const request = infoRequest(option, data);
    const served = await openExport(this.#negotiation, request.exportName);
    const chosen = await this.#enter(served, request, async () => {
      const flags = flagsOf(this.#negotiation, served, request.exportName);
      await this.#acknowledge(option, infoReplies(option, request, served, flags));
    });
    if (option === OPTION.GO) return chosen;
    await closeDisk(served);
    return 'next option';
  }

  async #enterByExportName(event: Option): Promise<Chosen> {
    this.#checkGates(event.option);
    if (event.kind === 'oversized-option') throw protocolError('an export name that is too long');
    if (this.#negotiation.replies === 'extended') {
      throw protocolError('NBD_OPT_EXPORT_NAME after extended headers were agreed on');
    }
    const exportName = readString(event.data);
    const served = await openExport(this.#negotiation, exportName);
    return this.#enter(served, { exportName, infos: [] }, () => {
      const flags = flagsOf(this.#negotiation, served, exportName);
      return this.#context.connection.send(encodeExportNameReply(served.size, flags, this.#noZeroes));
    });
  }

  /** From here on the disk is open: it is closed again if the answer cannot be sent. */
  async #enter(
    served: ServedExport,
    { exportName, infos }: { readonly exportName: string; readonly infos: readonly number[] },
    answer: () => Promise<void>,
  ): Promise<Chosen> {
    try {
      await answer();
      const agreement = {
        replies: this.#negotiation.replies,
        blockSizes: infos.includes(INFO.BLOCK_SIZE),
        contexts: contextsFor(this.#negotiation, exportName),
      };
      return { served, agreement };
    } catch (error) {
      await closeDisk(served);
      throw error;
    }
  }

  async #acknowledge(option: number, replies: readonly Buffer[] = []): Promise<'next option'> {
    const { connection, trace } = this.#context;
    for (const reply of replies) {
      trace?.(`> ${optionReplyName(reply.readUInt32BE(12))} to ${optionName(option)}`);
      await connection.send(reply);
    }
    await this.#send(option, OPTION_REPLY.ACK, encodeOptionReply(option, OPTION_REPLY.ACK));
    return 'next option';
  }

  async #send(option: number, type: number, reply: Buffer, why = ''): Promise<void> {
    this.#context.trace?.(
      `> ${optionReplyName(type)} to ${optionName(option)}${why === '' ? '' : `: ${why}`}`,
    );
    await this.#context.connection.send(reply);
  }

  #nothingAgreed(): Negotiation {
    const { connection, admit, multiConnection } = this.#context;
    return {
      admit: () => admit(connection.secured),
      multiConnection,
      replies: 'simple',
      selection: undefined,
    };
  }

  get #isShutDown(): boolean {
    return this.#context.shutdown?.aborted === true;
  }

  get #demandsTls(): boolean {
    const { connection, tls } = this.#context;
    return tls?.required === true && connection.secured === undefined;
  }
}

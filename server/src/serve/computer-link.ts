import { debuglog } from 'node:util';
import {
  type ChannelOpenedMessage,
  type ClientMessage,
  ControlError,
  type EndGrantMessage,
  errorMessage,
  type GetInventoryMessage,
  type GrantEndedMessage,
  type GrantedMessage,
  type GrantWriteMessage,
  type HelloMessage,
  type InventoryMessage,
  type KexecKeptMessage,
  type KexecPieceMessage,
  type LeaveMessage,
  type LeavingMessage,
  type OpenChannelMessage,
  parseClientMessage,
  serialiseControlMessage,
  type ServerMessage,
} from '@diskferry/protocol/control';
import { DiskferryError } from '@diskferry/system/errors';
import type { RawData, WebSocket } from 'ws';

const debug = debuglog('diskferry:serve');

/** A client that owes an answer for so long is gone, in ms. It may be busy, but its event loop is never blocked for long. */
const ANSWER_TIMEOUT_MS = 30_000;
/** A client whose place another one wants must show for itself that it lives, in ms. */
const PROOF_OF_LIFE_MS = 3_000;
/** RFC 6455, section 7.4.1: "an endpoint is going away". */
const GOING_AWAY = 1001;
/** A close frame has room for 123 bytes; our sentences are ASCII. */
const MAX_REASON = 120;
/** How long a client may take to confirm the end before it is cut off, in ms. */
const CLOSE_GRACE_MS = 2_000;

type Question =
  | GetInventoryMessage
  | GrantWriteMessage
  | EndGrantMessage
  | OpenChannelMessage
  | LeaveMessage
  | KexecPieceMessage;
type Unnumbered<M> = M extends unknown ? Omit<M, 'id'> : never;

interface AnswerTo {
  readonly 'get-inventory': InventoryMessage;
  readonly 'grant-write': GrantedMessage;
  readonly 'end-grant': GrantEndedMessage;
  readonly 'open-channel': ChannelOpenedMessage;
  readonly leave: LeavingMessage;
  readonly 'kexec-piece': KexecKeptMessage;
}

const ANSWER_TYPES = {
  'get-inventory': 'inventory',
  'grant-write': 'granted',
  'end-grant': 'grant-ended',
  'open-channel': 'channel-opened',
  leave: 'leaving',
  'kexec-piece': 'kexec-kept',
} as const satisfies { readonly [Type in Question['type']]: AnswerTo[Type]['type'] };

interface Owed {
  readonly type: ClientMessage['type'];
  readonly resolve: (message: never) => void;
  readonly reject: (error: Error) => void;
}

/** The control channel to one imaging client, as the server sees it: questions, each with its answer. */
export class ComputerLink {
  /** The client's first words; rejects if the link ends before. */
  readonly hello: Promise<HelloMessage>;
  /** Why the link has ended. */
  readonly ended: Promise<string>;
  /** Aborted when the link has ended. */
  readonly signal: AbortSignal;
  readonly #socket: WebSocket;
  readonly #owed = new Map<number, Owed>();
  readonly #greeting = Promise.withResolvers<HelloMessage>();
  readonly #end = Promise.withResolvers<string>();
  readonly #abort = new AbortController();
  #why: string | undefined;
  #nextId = 1;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.hello = this.#greeting.promise;
    this.hello.catch(() => {});
    this.ended = this.#end.promise;
    this.signal = this.#abort.signal;
    socket.on('message', (data) => this.#receive(data));
    socket.on('error', (error) => this.#fail(error.message));
    socket.on('close', () => this.#fail('it closed the connection'));
  }

  /**
   * Asks the client, which does things in any order.
   *
   * @throws {DiskferryError} with the code of the client's error; `COMPUTER_GONE`; `COMPUTER_SILENT`
   */
  async ask<Type extends Question['type']>(
    question: Extract<Unnumbered<Question>, { type: Type }>,
    { timeoutMs = ANSWER_TIMEOUT_MS } = {},
  ): Promise<AnswerTo[Type]> {
    if (this.#why !== undefined) throw gone(this.#why);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<AnswerTo[Type]>();
    this.#owed.set(id, { type: ANSWER_TYPES[question.type], resolve, reject });
    const timer = setTimeout(() => reject(silent(question.type, timeoutMs)), timeoutMs);
    try {
      this.#send({ ...question, id });
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#owed.delete(id);
    }
  }

  /** Whether the client answers; it is given three seconds. */
  async isAlive(): Promise<boolean> {
    try {
      await this.ask({ type: 'get-inventory' }, { timeoutMs: PROOF_OF_LIFE_MS });
      return true;
    } catch {
      return false;
    }
  }

  /** Ends the link; the client is told why. */
  end(why: string): void {
    this.#socket.close(GOING_AWAY, why.slice(0, MAX_REASON));
    setTimeout(() => this.#socket.terminate(), CLOSE_GRACE_MS).unref();
    this.#fail(why);
  }

  #receive(data: RawData): void {
    try {
      this.#take(parseClientMessage(bytesOf(data)));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      debug('%s', error.message);
      if (error.code === 'CONTROL_INCOMPATIBLE') this.end(error.message);
      else this.#send(errorMessage(error));
    }
  }

  #take(message: ClientMessage): void {
    if (message.type === 'hello') {
      this.#greeting.resolve(message);
      return;
    }
    const owed = message.id === undefined ? undefined : this.#owed.get(message.id);
    if (owed === undefined) {
      debug('unasked: %s', JSON.stringify(message).slice(0, 200));
    } else if (message.type === 'error') {
      owed.reject(new DiskferryError(message.code, message.message));
    } else if (message.type === owed.type) {
      owed.resolve(message as never);
    } else {
      owed.reject(
        new DiskferryError('CONTROL_INVALID', `it answered with ${message.type} to another question`),
      );
    }
  }

  #send(message: ServerMessage): void {
    // Failures of a socket that is about to close come with its close event.
    this.#socket.send(serialiseControlMessage(message), () => {});
  }

  #fail(why: string): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.#greeting.reject(gone(why));
    for (const { reject } of this.#owed.values()) reject(gone(why));
    this.#end.resolve(why);
    this.#abort.abort();
  }
}

function gone(why: string): DiskferryError {
  return new DiskferryError('COMPUTER_GONE', `the computer is not connected any more: ${why}`);
}

function silent(question: string, timeoutMs: number): DiskferryError {
  return new DiskferryError('COMPUTER_SILENT', `it did not answer ${question} for ${timeoutMs / 1000} s`);
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

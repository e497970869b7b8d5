import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import {
  type ClientMessage,
  ControlError,
  MAX_CONTROL_MESSAGE_BYTES,
  parseClientMessage,
  serialiseControlMessage,
  type ServerMessage,
} from '@diskferry/protocol/control';
import { formatHostAddress, type HostAddress } from '@diskferry/protocol/disk-address';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { ClientTls } from '@diskferry/trust/secure-context';
import { TrustError } from '@diskferry/trust/trust-error';
import { type RawData, WebSocket } from 'ws';

const DEFAULT_TIMEOUT_MS = 30_000;
/** The client pings every 30 s; one that misses three is gone, in ms. */
const SILENCE_LIMIT_MS = 90_000;
const SILENCE_CHECKS = 3;

/** A question without the id that its answer carries, or with one that is to be used again. */
type Question = Exclude<ServerMessage, { readonly type: 'error' }>;
type WithoutId<Q> = Q extends Question ? Omit<Q, 'id'> & { readonly id?: number } : never;
type Answer<Type extends ClientMessage['type']> = Extract<ClientMessage, { readonly type: Type }>;

export interface ControlConnectionOptions {
  /** Plain text without it. */
  readonly tls?: ClientTls | undefined;
  /** For the connection, and for each answer, in ms. */
  readonly timeoutMs?: number | undefined;
  /** Ends the connection. */
  readonly signal?: AbortSignal | undefined;
}

/** A conversation with an imaging client over its control channel. */
export interface ControlConnection {
  /** The TLS session; undefined in plain text. */
  readonly secured: TLSSocket | undefined;
  /**
   * Asks, and waits for the answer.
   *
   * @throws {DiskferryError} with the code of the client's refusal; `CONTROL_FAILED`
   */
  ask<Type extends ClientMessage['type']>(
    question: WithoutId<Question>,
    answerType: Type,
  ): Promise<Answer<Type>>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>;
  close(): void;
}

/**
 * Connects to the control channel of an imaging client and takes its greeting.
 *
 * @throws {TrustError} if the client is not the one that `tls` expects
 * @throws {DiskferryError} `CONTROL_FAILED`, `CONTROL_INCOMPATIBLE`; the reason of the signal
 */
export async function openControlConnection(
  target: HostAddress,
  { tls, timeoutMs = DEFAULT_TIMEOUT_MS, signal }: ControlConnectionOptions = {},
): Promise<ControlConnection> {
  signal?.throwIfAborted();
  const connection = new Connection(target, tls, timeoutMs);
  const onAbort = (): void => connection.fail(signal?.reason as Error);
  signal?.addEventListener('abort', onAbort);
  void connection.ended.then(() => signal?.removeEventListener('abort', onAbort));
  try {
    await connection.greeted();
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

class Connection implements ControlConnection {
  readonly ended: Promise<void>;
  secured: TLSSocket | undefined;
  readonly #target: HostAddress;
  readonly #timeoutMs: number;
  readonly #socket: WebSocket;
  readonly #greeting = Promise.withResolvers<void>();
  readonly #questions = new Map<number, PromiseWithResolvers<ClientMessage>>();
  #failure: Error | undefined;
  #nextId = 1;
  #silentChecks = 0;

  constructor(target: HostAddress, tls: ClientTls | undefined, timeoutMs: number) {
    this.#target = target;
    this.#timeoutMs = timeoutMs;
    const authority = formatHostAddress(target);
    const limits = { maxPayload: MAX_CONTROL_MESSAGE_BYTES, handshakeTimeout: timeoutMs };
    this.#socket =
      tls === undefined
        ? new WebSocket(`ws://${authority}/`, limits)
        : new WebSocket(`wss://${authority}/`, { ...limits, createConnection: () => this.#secure(tls) });
    this.ended = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#greeting.promise.catch(() => {});
    this.#socket.on('error', (error) => this.fail(this.#explain(error)));
    this.#socket.on('close', () => this.fail(this.#explain(new Error('it was closed'))));
    this.#socket.on('message', (data) => this.#receive(data));
    this.#watchSilence();
  }

  async greeted(): Promise<void> {
    await this.#inTime(this.#greeting.promise);
  }

  async ask<Type extends ClientMessage['type']>(
    question: WithoutId<Question>,
    answerType: Type,
  ): Promise<Answer<Type>> {
    if (this.#failure !== undefined) throw this.#failure;
    const id = question.id ?? this.#nextId++;
    const answer = Promise.withResolvers<ClientMessage>();
    this.#questions.set(id, answer);
    try {
      this.#socket.send(serialiseControlMessage({ ...question, id }));
      return this.#expect(await this.#inTime(answer.promise), answerType);
    } finally {
      this.#questions.delete(id);
    }
  }

  close(): void {
    this.#socket.terminate();
  }

  /** Ends the connection; whoever waits is told the first reason. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    this.#greeting.reject(this.#failure);
    for (const question of this.#questions.values()) question.reject(this.#failure);
    this.#socket.terminate();
  }

  #secure(tls: ClientTls): TLSSocket {
    const { host, port } = this.#target;
    const socket = connectTls({
      host,
      port,
      secureContext: tls.secureContext,
      // Certificates are no proof by themselves: `verify` decides.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    socket.once('secureConnect', () => {
      const doubt = tls.verify(socket);
      if (doubt === undefined) this.secured = socket;
      else socket.destroy(doubt);
    });
    return socket;
  }

  #receive(data: RawData): void {
    this.#silentChecks = 0;
    let message: ClientMessage;
    try {
      message = parseClientMessage(data as Buffer);
    } catch (error) {
      // A message that a newer client sends unasked is no reason to hang up.
      if (error instanceof ControlError && error.code === 'CONTROL_UNKNOWN_TYPE') return;
      return this.fail(this.#explain(error));
    }
    if (message.type === 'hello') return this.#greeting.resolve();
    if (message.id !== undefined) this.#questions.get(message.id)?.resolve(message);
    else if (message.type === 'error') this.fail(new DiskferryError(message.code, message.message));
  }

  #expect<Type extends ClientMessage['type']>(message: ClientMessage, type: Type): Answer<Type> {
    if (message.type === type) return message as Answer<Type>;
    if (message.type === 'error') throw new DiskferryError(message.code, message.message);
    throw this.#explain(new Error(`it answered ${message.type} where ${type} belongs`));
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const tooLate = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => tooLate.reject(this.#explain(new Error(`no answer for ${this.#timeoutMs / 1000} s`))),
      this.#timeoutMs,
    );
    try {
      return await Promise.race([answer, tooLate.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #watchSilence(): void {
    this.#socket.on('ping', () => {
      this.#silentChecks = 0;
    });
    const timer = setInterval(() => {
      if (++this.#silentChecks > SILENCE_CHECKS) this.fail(this.#explain(new Error('it fell silent')));
    }, SILENCE_LIMIT_MS / SILENCE_CHECKS).unref();
    this.#socket.on('close', () => clearInterval(timer));
  }

  #explain(error: unknown): Error {
    if (error instanceof TrustError || error instanceof DiskferryError) return error;
    if (error instanceof ControlError && error.code === 'CONTROL_INCOMPATIBLE') {
      return new DiskferryError(error.code, error.message, { cause: error });
    }
    const { host, port } = this.#target;
    const isSecure = this.#socket.url.startsWith('wss:');
    return new DiskferryError(
      'CONTROL_FAILED',
      `the control channel of ${host} port ${port} does not work: ${whatIsWrong(error, isSecure)}`,
      { cause: error },
    );
  }
}

/** Both sides must agree on `--insecure`, and what TLS and HTTP say about it is no help. */
function whatIsWrong(error: unknown, isSecure: boolean): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (isSecure && (code === 'EPROTO' || code.startsWith('ERR_SSL_'))) {
    return 'it does not speak TLS; if its screen says INSECURE, give --insecure here too';
  }
  if (!isSecure && (code === 'ECONNRESET' || code.startsWith('HPE_'))) {
    return 'it hung up; if its screen does not say INSECURE, leave out --insecure here';
  }
  return `${messageOf(error)}; was that machine booted from diskferry's CD?`;
}

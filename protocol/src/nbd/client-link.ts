import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type DiskAddress, formatHostAddress } from '../disk-address.ts';
import { type ClientTls, startTls, tlsError } from './client-tls.ts';
import { NbdError } from './nbd-error.ts';
import { startTrace } from './trace.ts';

/** Where a server is reached, without an export. */
export type ServerAddress =
  | Omit<Extract<DiskAddress, { readonly transport: 'tcp' }>, 'exportName'>
  | Omit<Extract<DiskAddress, { readonly transport: 'unix' }>, 'exportName'>;

/** Takes what arrives on a link. */
export interface Receiver {
  /** Where the next bytes should be put, if it matters. */
  directTarget(): Uint8Array | undefined;
  /** Bytes arrived in the direct target. */
  receivedDirectly(length: number): void;
  /** Bytes arrived elsewhere; the chunk is reused afterwards. */
  received(chunk: Uint8Array): void;
  /** The link is down; nothing follows. */
  ended(reason: Error): void;
}

/** Read from the socket at once, when no large data is expected. */
const SCRATCH_BYTES = 256 * 1024;
/** A dead server is noticed after this and the kernel's probes, in ms, even if nothing is asked. */
const KEEP_ALIVE_MS = 30_000;
/** How long the server may take to close the connection after NBD_CMD_DISC, in ms. */
const CLOSE_TIMEOUT_MS = 5_000;

/** A byte stream to a server: counts, batches writes, and ends once with one reason. */
export class ClientLink {
  /** The server in words, for messages: HOST:PORT or the path of a socket. */
  readonly peer: string;
  readonly trace = startTrace();
  bytesReceived = 0;
  bytesSent = 0;
  #receiver: Receiver | undefined;
  #stream: Duplex | undefined;
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #direct: Uint8Array | undefined;
  #endReason: Error | undefined;
  #corked = false;
  readonly #host: string | undefined;

  /** @param host the server's name or address, if it has one */
  constructor(peer: string, host?: string) {
    this.peer = peer;
    this.#host = host;
  }

  /** Gives what arrives from now on to another receiver. */
  set receiver(receiver: Receiver) {
    this.#receiver = receiver;
    if (this.#endReason !== undefined) receiver.ended(this.#endReason);
  }

  /** Options of `net.connect` that let the kernel put bytes where the receiver wants them. */
  get onread(): { buffer: () => Uint8Array; callback: (length: number, buffer: Uint8Array) => boolean } {
    return {
      buffer: () => this.#nextBuffer(),
      callback: (length, buffer) => {
        this.#arrived(buffer, length);
        return true;
      },
    };
  }

  /** Uses the stream, which is connected. Sockets made with {@link onread} give their bytes that way. */
  attach(stream: Duplex, { bytesFromEvents }: { readonly bytesFromEvents: boolean }): void {
    this.#stream = stream;
    stream.on('error', (error) => this.fail(tlsError(this.peer, error) ?? this.#lost(error.message, error)));
    stream.on('end', this.#onEnd);
    stream.on('close', () => this.fail(this.#lost('the connection was closed')));
    if (bytesFromEvents) stream.on('data', this.#onData);
  }

  /**
   * Puts TLS between this link and the server, which waits for it. Nothing may be sent meanwhile.
   *
   * @throws {NbdError} `NBD_UNTRUSTED`, `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST`; the reason with which the link ended
   */
  async secure(tls: ClientTls): Promise<void> {
    const plain = this.#stream;
    if (plain === undefined) throw new TypeError('the link is not connected');
    // TLS reads the stream from now on, and tells of its end.
    plain.off('data', this.#onData);
    plain.off('end', this.#onEnd);
    try {
      const socket = await startTls(plain, tls, { peer: this.peer, host: this.#host });
      this.trace?.(`= ${socket.getProtocol()} ${socket.getCipher().name}`);
      if (this.#endReason === undefined) this.attach(socket, { bytesFromEvents: true });
      else socket.destroy();
    } catch (error) {
      this.fail(error as Error);
    }
    if (this.#endReason !== undefined) throw this.#endReason;
  }

  /** Sends bytes, together with all else that is sent in this turn of the event loop. */
  send(bytes: Uint8Array): void {
    const stream = this.#stream;
    if (stream === undefined || this.#endReason !== undefined) return;
    if (!this.#corked) {
      this.#corked = true;
      stream.cork();
      process.nextTick(() => {
        this.#corked = false;
        stream.uncork();
      });
    }
    this.bytesSent += bytes.length;
    stream.write(bytes);
  }

  /** Ends the link for a reason, the first of which counts. */
  fail(reason: Error): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.trace?.(`= ended: ${reason.message}`);
    this.#stream?.destroy();
    this.#receiver?.ended(reason);
  }

  /** An error of the codecs, which know no peer, with the name of this one. */
  explain(error: Error): Error {
    if (!(error instanceof NbdError) || error.code !== 'NBD_PROTOCOL' || error.cause instanceof NbdError)
      return error;
    const message = `${this.peer} does not speak NBD as it should: ${error.message}; see whether host and port are right`;
    return new NbdError('NBD_PROTOCOL', message, { cause: error });
  }

  /** Sends what was given to {@link send} and hangs up, when the server does or after a few seconds. */
  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined || stream.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => stream.destroy(), CLOSE_TIMEOUT_MS);
      stream.once('close', () => {
        clearTimeout(timer);
        resolve();
      });
      stream.end();
    });
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#direct = undefined;
    this.#arrived(chunk, chunk.length);
  };

  readonly #onEnd = (): void => this.fail(this.#lost('the other side closed the connection'));

  #nextBuffer(): Uint8Array {
    this.#direct = this.#endReason === undefined ? this.#receiver?.directTarget() : undefined;
    return this.#direct ?? this.#scratch;
  }

  #arrived(buffer: Uint8Array, length: number): void {
    this.bytesReceived += length;
    const receiver = this.#receiver;
    if (receiver === undefined || this.#endReason !== undefined) return;
    try {
      if (buffer === this.#direct) receiver.receivedDirectly(length);
      else receiver.received(buffer.subarray(0, length));
    } catch (error) {
      this.fail(this.explain(error as Error));
    }
  }

  #lost(why: string, cause?: Error): NbdError {
    const message = `the connection to ${this.peer} was lost (${why}); see whether that computer still runs and is on the network`;
    return new NbdError('NBD_LOST', message, { cause });
  }
}

/** A server in words. */
export function describeServer(address: ServerAddress): string {
  return address.transport === 'tcp' ? formatHostAddress(address) : address.socketPath;
}

/**
 * Connects to a server.
 *
 * @throws {NbdError} `NBD_UNREACHABLE`; the reason of the signal
 */
export async function openLink(address: ServerAddress, signal: AbortSignal): Promise<ClientLink> {
  signal.throwIfAborted();
  const host = address.transport === 'tcp' ? address.host : undefined;
  const link = new ClientLink(describeServer(address), host);
  const socket = connect({
    ...(address.transport === 'tcp'
      ? { host: address.host, port: address.port }
      : { path: address.socketPath }),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    onread: link.onread,
  });
  await connected(socket, address, signal);
  link.attach(socket, { bytesFromEvents: false });
  return link;
}

function connected(socket: Socket, address: ServerAddress, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onConnect);
      socket.off('error', onError);
    };
    // An error that comes when nobody waits any more must not end the process.
    socket.on('error', () => {});
    const onAbort = (): void => {
      settle();
      socket.destroy();
      reject(signal.reason as Error);
    };
    const onConnect = (): void => {
      settle();
      resolve();
    };
    const onError = (error: NodeJS.ErrnoException): void => {
      settle();
      reject(unreachable(address, error));
    };
    signal.addEventListener('abort', onAbort);
    socket.on('connect', onConnect);
    socket.on('error', onError);
  });
}

const READY_ADVICE = 'see whether the computer is on and its screen says "waiting for the server"';

function unreachable(address: ServerAddress, cause: NodeJS.ErrnoException): NbdError {
  const peer = describeServer(address);
  const message =
    address.transport === 'tcp'
      ? `${peer} cannot be reached: ${explainTcp(address.host, address.port, cause)}`
      : `the socket ${peer} cannot be used: ${explainUnix(cause)}`;
  return new NbdError('NBD_UNREACHABLE', message, { cause });
}

function explainTcp(host: string, port: number, cause: NodeJS.ErrnoException): string {
  switch (codeOf(cause) ?? '') {
    case 'ECONNREFUSED':
      return `nothing answers on port ${port}; ${READY_ADVICE}, and whether the port is right`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} is not known; check the spelling or use the address that the computer's screen shows`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to that network or host; ${READY_ADVICE}, and the cables`;
    case 'ETIMEDOUT':
      return `it does not answer; ${READY_ADVICE}, and whether a firewall stands between`;
    default:
      return cause.message;
  }
}

/** With several addresses for a name, Node collects the failures of all. */
function codeOf(error: NodeJS.ErrnoException): string | undefined {
  const [first] = error instanceof AggregateError ? (error.errors as NodeJS.ErrnoException[]) : [];
  return error.code ?? first?.code;
}

function explainUnix(cause: NodeJS.ErrnoException): string {
  switch (cause.code ?? '') {
    case 'ENOENT':
      return 'it does not exist';
    case 'ECONNREFUSED':
      return 'no program listens on it';
    case 'EACCES':
      return 'permission denied';
    default:
      return cause.message;
  }
}

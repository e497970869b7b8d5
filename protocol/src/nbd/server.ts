import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { ByteBudget } from './byte-budget.ts';
import type { Admission } from './export-catalog.ts';
import {
  HANDSHAKE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_BYTES_IN_FLIGHT,
  MAX_REQUESTS_IN_FLIGHT,
  PROGRESS_TIMEOUT_MS,
} from './limits.ts';
import { ServerConnection, type ServerTls } from './server-connection.ts';
import { negotiate } from './server-handshake.ts';
import { Transmission } from './server-transmission.ts';
import { startTrace } from './trace.ts';

export interface ServeOptions {
  /** What is needed for NBD_OPT_STARTTLS; without it, the option is not known. */
  readonly tls?: ServerTls | undefined;
  /**
   * Whether what one connection wrote and flushed is seen by the others, so that clients may use several at once. True
   * for disks that all end in one file or device.
   */
  readonly multiConnection?: boolean;
  readonly maxRequestsInFlight?: number;
  /** Bytes of payload of this connection. */
  readonly maxBytesInFlight?: number;
  /** Bytes of payload of all connections that are given the same budget. */
  readonly budget?: ByteBudget;
  /** Time for a client to choose an export, in ms. */
  readonly handshakeTimeoutMs?: number;
  /** Time for a client to deliver what it owes: the rest of a request, the acceptance of an answer; in ms. */
  readonly progressTimeoutMs?: number;
  /**
   * Ends the connection kindly: what is under way is carried out and answered, whatever comes later is refused as the
   * specification has it (NBD_REP_ERR_SHUTDOWN, ESHUTDOWN), and then the connection is closed.
   */
  readonly shutdown?: AbortSignal | undefined;
  /** Ends the connection at once. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link serveConnection} sets on sockets, where the stream is one. */
interface SocketSettings {
  setNoDelay?(on: boolean): unknown;
  setKeepAlive?(on: boolean, initialDelayMs: number): unknown;
}

/**
 * Speaks NBD with one client until it goes away, then closes the disk that it chose. Never rejects: whatever a client
 * does ends its own connection only, with a line for `NODE_DEBUG=diskferry:nbd`. Takes the stream over.
 *
 * @param admit asked for every option that concerns exports, with the TLS session if there is one by then. Its peer has proved
 * to have the key of the certificate that it shows (`getPeerX509Certificate`), but need not show any, and nobody has looked
 * whether an authority vouches for it
 */
export async function serveConnection(
  stream: Duplex,
  admit: (secured: TLSSocket | undefined) => Admission,
  {
    tls,
    multiConnection = true,
    maxRequestsInFlight = MAX_REQUESTS_IN_FLIGHT,
    maxBytesInFlight = MAX_BYTES_IN_FLIGHT,
    budget = new ByteBudget(maxBytesInFlight),
    handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS,
    progressTimeoutMs = PROGRESS_TIMEOUT_MS,
    shutdown,
    signal,
  }: ServeOptions = {},
): Promise<void> {
  const trace = startTrace();
  const connection = new ServerConnection(stream, (error) => trace?.(`= ${error.message}`));
  applySocketSettings(stream as SocketSettings);
  const stop = (): void => connection.destroy();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted === true) stop();
  const timer = setTimeout(stop, handshakeTimeoutMs);
  let transmission: Transmission | undefined;
  try {
    const chosen = await negotiate({ connection, admit, multiConnection, tls, shutdown, trace });
    clearTimeout(timer);
    if (chosen !== undefined) {
      transmission = new Transmission({
        connection,
        chosen,
        share: budget.share(maxBytesInFlight),
        pool: budget.pool,
        maxRequestsInFlight,
        progressTimeoutMs,
        shutdown,
        trace,
      });
      await transmission.run();
    }
    await connection.end({ linger: shutdown?.aborted === true });
    trace?.('= ended');
  } catch (error) {
    trace?.(`= ended: ${error instanceof Error ? error.message : String(error)}`);
    connection.destroy();
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    await transmission?.finish();
  }
}

function applySocketSettings(socket: SocketSettings): void {
  socket.setNoDelay?.(true);
  socket.setKeepAlive?.(true, KEEP_ALIVE_MS);
}

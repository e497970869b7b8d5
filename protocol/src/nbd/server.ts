import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { debuglog } from 'node:util';
import { ChunkReader } from './chunk-reader.ts';
import type { Admission } from './export-catalog.ts';
import { HANDSHAKE_TIMEOUT_MS, MAX_BYTES_IN_FLIGHT, MAX_REQUESTS_IN_FLIGHT } from './limits.ts';
import { negotiate } from './server-handshake.ts';
import { Transmission } from './server-transmission.ts';

const debug = debuglog('diskferry:nbd');

export interface ServeOptions {
  /**
   * Whether what one connection wrote and flushed is seen by the others, so that clients may use several at once. True
   * for disks that all end in one file or device.
   */
  readonly multiConnection?: boolean;
  readonly maxRequestsInFlight?: number;
  /** Bytes of payload. */
  readonly maxBytesInFlight?: number;
  /** Time for a client to choose an export, in ms. */
  readonly handshakeTimeoutMs?: number;
  /** Ends the connection. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link serveConnection} sets on sockets, where the stream is one. */
interface SocketSettings {
  setNoDelay?(on: boolean): unknown;
  setKeepAlive?(on: boolean, initialDelayMs: number): unknown;
}

/** A dead client is noticed after this and the kernel's probes, in ms. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Speaks NBD with one client until it goes away, then closes the disk that it chose. Never rejects: whatever a client
 * does ends its own connection only, with a line for `NODE_DEBUG=diskferry:nbd`. Takes the stream over.
 */
export async function serveConnection(
  stream: Duplex,
  admit: (secured: TLSSocket | undefined) => Admission,
  {
    multiConnection = true,
    maxRequestsInFlight = MAX_REQUESTS_IN_FLIGHT,
    maxBytesInFlight = MAX_BYTES_IN_FLIGHT,
    handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS,
    signal,
  }: ServeOptions = {},
): Promise<void> {
  // An error of the stream also ends the iterator below; this listener keeps it from ending the process.
  stream.on('error', (error) => debug('connection: %s', error.message));
  applySocketSettings(stream as SocketSettings);
  const stop = (): void => void stream.destroy();
  signal?.addEventListener('abort', stop);
  if (signal?.aborted === true) stop();
  const timer = setTimeout(stop, handshakeTimeoutMs);
  let transmission: Transmission | undefined;
  try {
    const reader = new ChunkReader();
    const chunks = stream.iterator({ destroyOnReturn: false });
    const chosen = await negotiate({
      stream,
      chunks,
      reader,
      admit: () => admit(undefined),
      multiConnection,
    });
    clearTimeout(timer);
    if (chosen !== undefined) {
      const limits = { maxRequestsInFlight, maxBytesInFlight };
      transmission = new Transmission({ stream, chunks, reader, chosen, limits });
      await transmission.run();
    }
    // The server closes the connection also if the client does not.
    stream.end(() => stream.destroy());
  } catch (error) {
    debug('connection ended: %s', error instanceof Error ? error.message : error);
    stream.destroy();
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

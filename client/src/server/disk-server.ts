import { createServer, type Socket } from 'node:net';
import { totalmem } from 'node:os';
import { debuglog } from 'node:util';
import type { Admission, ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';
import { serveConnection } from '@diskferry/protocol/nbd/server';
import type { Access, PeerConnection } from '../access/access.ts';
import { AccessError, type Peer } from '../access/peer.ts';
import { listen, peerAddress } from './listen.ts';

const debug = debuglog('diskferry:server');

/** What one connection may have under way, in bytes; more made no copy faster. */
const MAX_BYTES_IN_FLIGHT = 4 * 1024 * 1024;
/** serveConnection keeps as many bytes again for the next requests. */
const BYTES_PER_CONNECTION = 2 * MAX_BYTES_IN_FLIGHT;
/** A server needs four or so per disk (nbdcopy's default). */
const MAX_CONNECTIONS = 64;
/** A server that was switched off is noticed after this silence and some probes, in ms. */
const KEEP_ALIVE_AFTER_MS = 30_000;

export interface DiskServerOptions {
  readonly port: number;
  readonly host?: string | undefined;
  readonly access: Pick<Access, 'tls' | 'identify'>;
  /** The disks as a peer sees them. */
  readonly catalogFor: (peer: Peer) => ExportCatalog;
  readonly maxConnections?: number;
}

export interface DiskServer {
  readonly port: number;
  /** Ends all connections; resolves when their disks are closed. */
  close(): Promise<void>;
}

/**
 * Serves disks as NBD exports over TCP. What goes wrong on one connection ends that connection only.
 *
 * @throws {ListenError}
 */
export async function startDiskServer(options: DiskServerOptions): Promise<DiskServer> {
  const { maxConnections = affordableConnections() } = options;
  const connections = new Map<Socket, Promise<void>>();
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS },
    (socket) => {
      const served = serveSocket(socket, options).finally(() => connections.delete(socket));
      connections.set(socket, served);
    },
  );
  server.maxConnections = maxConnections;
  server.on('drop', (data) => debug('refused %s: %d connections', data?.remoteAddress, maxConnections));
  const port = await listen(server, { ...options, option: '--port' });
  // After listening, an error concerns one connection that could not be accepted, such as EMFILE.
  server.on('error', (error) => debug('cannot accept a connection: %s', error.message));
  return {
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of connections.keys()) socket.destroy();
      await Promise.all(connections.values());
      await closed;
    },
  };
}

/** Half of the memory at most goes to connections: some 14 of them in a computer with 256 MB. */
function affordableConnections(): number {
  return Math.min(MAX_CONNECTIONS, Math.floor(totalmem() / 2 / BYTES_PER_CONNECTION));
}

async function serveSocket(socket: Socket, options: DiskServerOptions): Promise<void> {
  const address = peerAddress(socket);
  // An error event without a listener would end the process; serveConnection may be done before it comes.
  socket.on('error', (error) => debug('%s: %s', address, error.message));
  try {
    await serveConnection(socket, (secured) => admit({ secured, address }, options), {
      maxBytesInFlight: MAX_BYTES_IN_FLIGHT,
    });
  } catch (error) {
    debug('%s: %s', address, error instanceof Error ? error.message : error);
  } finally {
    socket.destroy();
  }
}

/** Who is not known sees no disk, and is told why. */
function admit(connection: PeerConnection, { access, catalogFor }: DiskServerOptions): Admission {
  try {
    return { catalog: catalogFor(access.identify(connection)) };
  } catch (error) {
    if (error instanceof AccessError) return { refusal: error.message };
    throw error;
  }
}

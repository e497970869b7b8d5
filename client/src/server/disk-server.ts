import { createServer, type Socket } from 'node:net';
import { debuglog } from 'node:util';
import { ByteBudget } from '@diskferry/protocol/nbd/byte-budget';
import type { Admission, ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';
import { type ServeOptions, serveConnection } from '@diskferry/protocol/nbd/server';
import type { Access, PeerConnection } from '../access/access.ts';
import { AccessError, type Peer } from '../access/peer.ts';
import { listen, peerAddress } from './listen.ts';

const debug = debuglog('diskferry:server');

/** A server needs four or so per disk (nbdcopy's default). Their payload comes out of one budget, so that more cost little. */
const MAX_CONNECTIONS = 128;
/** How long connections may take over what is under way when the client is stopped, in ms. */
const SHUTDOWN_TIMEOUT_MS = 5_000;

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
  /** Lets all connections finish what is under way, but not for long; resolves when their disks are closed. */
  close(): Promise<void>;
}

/**
 * Serves disks as NBD exports over TCP. What goes wrong on one connection ends that connection only.
 *
 * @throws {ListenError}
 */
export async function startDiskServer(options: DiskServerOptions): Promise<DiskServer> {
  const { maxConnections = MAX_CONNECTIONS, access } = options;
  const connections = new Map<Socket, Promise<void>>();
  const shutdown = new AbortController();
  const serveOptions = {
    tls: access.tls === undefined ? undefined : { secureContext: access.tls.secureContext, required: true },
    budget: new ByteBudget(),
    shutdown: shutdown.signal,
  };
  const server = createServer((socket) => {
    const served = serveSocket(socket, options, serveOptions).finally(() => connections.delete(socket));
    connections.set(socket, served);
  });
  server.maxConnections = maxConnections;
  server.on('drop', (data) => debug('refused %s: %d connections', data?.remoteAddress, maxConnections));
  const port = await listen(server, { ...options, option: '--port' });
  // After listening, an error concerns one connection that could not be accepted, such as EMFILE.
  server.on('error', (error) => debug('cannot accept a connection: %s', error.message));
  return {
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      shutdown.abort();
      const timer = setTimeout(() => {
        for (const socket of connections.keys()) socket.destroy();
      }, SHUTDOWN_TIMEOUT_MS);
      await Promise.all(connections.values());
      clearTimeout(timer);
      await closed;
    },
  };
}

async function serveSocket(
  socket: Socket,
  options: DiskServerOptions,
  serveOptions: ServeOptions,
): Promise<void> {
  const address = peerAddress(socket);
  // An error event without a listener would end the process; serveConnection may be done before it comes.
  socket.on('error', (error) => debug('%s: %s', address, error.message));
  try {
    await serveConnection(socket, (secured) => admit({ secured, address }, options), serveOptions);
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

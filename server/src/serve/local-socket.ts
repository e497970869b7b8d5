import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { debuglog } from 'node:util';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { splice } from './splice.ts';

const debug = debuglog('diskferry:serve');

/** Several programs with several connections each. */
const MAX_CONNECTIONS = 64;
/** `sun_path` of unix(7) has 108 bytes with the zero at its end. */
const MAX_PATH_BYTES = 107;
const OWNER_ONLY = 0o600;

export interface LocalSocket {
  readonly path: string;
  /** Ends its connections and removes it. */
  close(): Promise<void>;
}

/**
 * Listens on a unix socket and joins each connection with one that `open` brings. The caller's folder must keep others
 * out: for a moment the socket has the permissions of the umask.
 *
 * @throws {DiskferryError} `SOCKET_FAILED`
 */
export async function offerLocalSocket(path: string, open: () => Promise<Duplex>): Promise<LocalSocket> {
  const connections = new Set<Socket>();
  // Not read before the other side is there; and who has said all still gets the answers.
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', (error) => debug('%s: %s', path, error.message));
    void join(socket, open, path);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, path);
  return {
    path,
    close: async () => {
      for (const socket of connections) socket.destroy();
      // Node removes the file of a listening socket that it closes.
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function join(socket: Socket, open: () => Promise<Duplex>, path: string): Promise<void> {
  try {
    const stream = await open();
    await splice(socket, stream);
  } catch (error) {
    debug('%s: %s', path, messageOf(error));
    socket.destroy();
  }
}

/** Binds a server to a path in place of whatever a killed server left there. */
export async function listen(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    const advice = 'set DISKFERRY_RUN to a folder with a shorter path';
    throw new DiskferryError('SOCKET_FAILED', `${path} is too long for the path of a unix socket; ${advice}`);
  }
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new DiskferryError('SOCKET_FAILED', `${path}: ${error.message}`)));
    server.listen(path, resolve);
  });
  server.on('error', (error) => debug('%s: %s', path, error.message));
  chmodSync(path, OWNER_ONLY);
}

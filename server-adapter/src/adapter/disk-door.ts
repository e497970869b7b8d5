import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Disk } from '@diskferry/protocol/disk';
import { serveConnection } from '@diskferry/protocol/nbd/server';

/** An NBD server on a unix socket for the only export ''. */
export interface DiskDoor {
  /** Ends when the first connection does. */
  readonly firstEnded: Promise<void>;
  /** Lets nobody in any more; returns when all who are in have left. */
  close(): Promise<void>;
}

/** Offers a disk on a unix socket; the disk stays open at the end. */
export async function openDoor(disk: Disk, socketPath: string): Promise<DiskDoor> {
  const catalog = {
    list: async () => [{ name: '', description: '' }],
    open: async () => ({ ...disk, close: async () => {} }),
  };
  const connections = new Set<Promise<void>>();
  const first = Promise.withResolvers<void>();
  const server: Server = createServer((socket) => {
    const connection = serveConnection(socket, () => ({ catalog })).finally(() => {
      connections.delete(connection);
      first.resolve();
    });
    connections.add(connection);
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    firstEnded: first.promise,
    async close() {
      server.close();
      await Promise.all(connections);
    },
  };
}

import { createServer, type Server, type Socket } from 'node:net';

/** A unix socket that waits for one caller. */
export interface AwaitedCaller {
  readonly caller: Promise<Socket>;
  stop(): void;
}

/**
 * Listens on a unix socket for one connection. We listen and QEMU connects, so that not one byte is lost and
 * nobody polls for a socket file.
 */
export async function awaitCaller(path: string): Promise<AwaitedCaller> {
  const server = createServer();
  const caller = new Promise<Socket>((resolve) => {
    server.once('connection', (socket) => {
      // The end of QEMU is told by its process; a reset connection is only its echo.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
  await listening(server, path);
  return { caller, stop: () => server.close() };
}

async function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

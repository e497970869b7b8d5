import type { AddressInfo, Server, Socket } from 'node:net';

/** A port cannot be listened on; `code` is `LISTEN_FAILED`. */
export class ListenError extends Error {
  readonly code = 'LISTEN_FAILED';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ListenError';
  }
}

export interface ListenOptions {
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** An address of this computer; all IPv6 and IPv4 addresses by default. */
  readonly host?: string | undefined;
  /** The command line option that sets the port, for the advice in an error. */
  readonly option: string;
}

/**
 * Starts to listen.
 *
 * @returns the port
 * @throws {ListenError}
 */
export async function listen(server: Server, { port, host, option }: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: Error): void =>
      reject(new ListenError(`cannot listen on port ${port}: ${reasonOf(error, host, option)}`, error));
    server.once('error', fail);
    // Without a host, Node listens on [::] for both protocols, or on 0.0.0.0 where the kernel has no IPv6.
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', fail);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

function reasonOf(error: NodeJS.ErrnoException, host: string | undefined, option: string): string {
  const notOurs = `${host} is not an address of this computer; give another with --listen`;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `another program of this computer uses it, perhaps another imaging client; choose another with ${option}`,
    EACCES: `this user may not use it; choose one above 1023 with ${option}`,
    EADDRNOTAVAIL: notOurs,
    ENOTFOUND: notOurs,
  };
  return reasons[error.code ?? ''] ?? error.message;
}

/** The address of the other side. IPv4 comes as "::ffff:10.0.2.2" from a socket that serves both protocols. */
export function peerAddress({ remoteAddress = 'unknown' }: Pick<Socket, 'remoteAddress'>): string {
  return remoteAddress.replace(/^::ffff:(?=\d+\.)/, '');
}

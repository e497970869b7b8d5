import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { NbdError } from './nbd-error.ts';

/** How a client proves who it is, and how it knows the server. */
export interface ClientTls {
  /** With the client's key; the lowest version of TLS is set in it. */
  readonly secureContext: SecureContext;
  /** Called after the TLS handshake; the error ends the connection. */
  verify(socket: TLSSocket): Error | undefined;
}

/**
 * Does the TLS handshake on a stream whose other side waits for it. The socket that comes out is paused.
 *
 * @param peer the server in words
 * @param host what the server's certificate may be chosen by, if it is a name
 * @throws {NbdError} `NBD_UNTRUSTED`, `NBD_REFUSED`, `NBD_PROTOCOL`, `NBD_LOST`
 */
export function startTls(
  stream: Duplex,
  tls: ClientTls,
  { peer, host }: { readonly peer: string; readonly host: string | undefined },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      socket: stream,
      secureContext: tls.secureContext,
      // Certificates are no proof by themselves: `verify` decides.
      rejectUnauthorized: false,
      ...(host === undefined || isIP(host) !== 0 ? {} : { servername: host }),
    });
    const settle = (): void => {
      socket.off('secureConnect', onSecure);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const fail = (error: Error): void => {
      settle();
      // An error that comes when nobody waits any more must not end the process.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onSecure = (): void => {
      const doubt = doubtAbout(socket, tls);
      if (doubt !== undefined) {
        fail(new NbdError('NBD_UNTRUSTED', doubt.message, { cause: doubt }));
        return;
      }
      settle();
      resolve(socket);
    };
    const onError = (error: NodeJS.ErrnoException): void =>
      fail(tlsError(peer, error) ?? cutShort(peer, error));
    const onClose = (): void => fail(cutShort(peer));
    socket.on('secureConnect', onSecure);
    socket.on('error', onError);
    socket.on('close', onClose);
  });
}

function doubtAbout(socket: TLSSocket, tls: ClientTls): Error | undefined {
  try {
    return tls.verify(socket);
  } catch (error) {
    return error as Error;
  }
}

/** What a TLS error means, or undefined for an error of the connection below. */
export function tlsError(peer: string, error: NodeJS.ErrnoException): NbdError | undefined {
  if (error.code?.startsWith('ERR_SSL_') !== true) return undefined;
  // OpenSSL's words for a connection that was closed, which can be made again.
  if (error.code.includes('UNEXPECTED_EOF')) return undefined;
  // An alert is how the other side says why it gives up.
  if (error.code.includes('ALERT')) {
    const message = `${peer} refuses the TLS connection (${error.message}); see whether it knows the key of this computer`;
    return new NbdError('NBD_REFUSED', message, { cause: error });
  }
  const message = `${peer} does not speak TLS as it should (${error.message}); see whether host and port are right`;
  return new NbdError('NBD_PROTOCOL', message, { cause: error });
}

function cutShort(peer: string, cause?: Error): NbdError {
  const why = cause === undefined ? 'the other side closed the connection' : cause.message;
  return new NbdError('NBD_LOST', `the connection to ${peer} was lost in the TLS handshake (${why})`, {
    cause,
  });
}

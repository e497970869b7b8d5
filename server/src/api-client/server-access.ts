import { UsageError } from '@diskferry/system/errors';
import { SERVER_PORT } from '../serve/server-port.ts';

/** How the API of a server is reached. */
export type ServerAccess = RemoteAccess | LocalAccess;

/** Over the network, with a token. */
export interface RemoteAccess {
  readonly kind: 'https';
  /** Such as `https://server.example:7443`. */
  readonly url: string;
  readonly token: string;
  /** PEM of the only authority that may have signed its certificate; those that Node.js knows if absent. */
  readonly ca?: string;
  /** Where the token is from, for people. */
  readonly tokenFrom: string;
}

/** By the unix socket of this machine, with the rights of its administrator. */
export interface LocalAccess {
  readonly kind: 'local';
  readonly socketPath: string;
}

/** What a server is called in messages. */
export function nameOfServer(access: ServerAccess): string {
  return access.kind === 'https' ? `the server ${access.url}` : 'the server on this machine';
}

/**
 * Reads the address of a server: `https://HOST[:PORT]`, or `HOST[:PORT]` with the port of diskferry.
 *
 * @throws {UsageError}
 */
export function parseServerUrl(text: string): string {
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const url = URL.parse(hasScheme ? text : `https://${text}`);
  if (url === null || url.hostname === '') {
    throw new UsageError(`"${text}" is no address of a server; write https://HOST:${SERVER_PORT}`);
  }
  if (url.protocol !== 'https:') {
    throw new UsageError(
      `a server is reached by https:// only, so that nobody reads the token; not "${text}"`,
    );
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw new UsageError(`the address of a server is a host and a port, not "${text}"`);
  }
  if (!hasScheme && url.port === '' && !text.endsWith(':443')) url.port = String(SERVER_PORT);
  return url.origin;
}

/** What a header can hold; the same for the server. */
const TOKEN = /^[!-~]{1,256}$/;

/** @throws {UsageError} */
export function requireToken(text: string, from: string): string {
  const token = text.trim();
  if (TOKEN.test(token)) return token;
  throw new UsageError(`${from} holds no token; one looks like dft_0123456789ab_…`);
}

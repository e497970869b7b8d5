import { DiskferryError } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';
import { nameOfServer, type ServerAccess } from './server-access.ts';

/** The server cannot be asked now, and perhaps later. */
export class UnreachableError extends DiskferryError {
  constructor(access: ServerAccess, reason: string, options?: ErrorOptions) {
    super('SERVER_UNREACHABLE', `${nameOfServer(access)} does not answer: ${reason}`, options);
  }
}

/** How Node.js and OpenSSL name what is wrong with a certificate. */
const CERTIFICATE_CODE = /CERT|SIGNATURE|INVALID_CA|ISSUER/;
const OTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';
const NO_TLS = ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** What a failed connection means to a user. */
export function connectionError(access: ServerAccess, error: NodeJS.ErrnoException): DiskferryError {
  const { code = '', message } = error;
  const name = nameOfServer(access);
  if (code === OTHER_NAME) {
    return new RefusedError(
      'CERTIFICATE_REFUSED',
      `${name} shows a certificate for another name: ${message}; use a name that "diskferry serve" prints, or start it ` +
        'with --host NAME',
      { cause: error },
    );
  }
  if (CERTIFICATE_CODE.test(code)) {
    const advice =
      access.kind === 'https' && access.ca === undefined
        ? 'give the certificate of its authority: diskferry login URL --ca FILE (on the server: ' +
          '/var/lib/diskferry/authority/certificate.pem)'
        : 'it is another server, or it has a new authority: compare, and log in again with --ca FILE';
    return new RefusedError(
      'CERTIFICATE_REFUSED',
      `${name} shows a certificate that is not trusted (${message.split(';')[0]}); the token was not sent; ${advice}`,
      { cause: error },
    );
  }
  if (NO_TLS.includes(code)) return new UnreachableError(access, 'it does not speak TLS', { cause: error });
  return new UnreachableError(access, message === '' ? code : message, { cause: error });
}

/** What a refusal or a failure of the server means to a user. */
export function answerError(access: ServerAccess, status: number, body: unknown): DiskferryError {
  const { code, message } = problemOf(body);
  if (code === undefined || message === undefined) {
    return new DiskferryError(
      'SERVER_STRANGE',
      `${nameOfServer(access)} answers ${status} and no JSON of diskferry; is it one?`,
    );
  }
  if (status === 401 && access.kind === 'https') {
    return new RefusedError(
      code,
      `${nameOfServer(access)} does not take the token of ${access.tokenFrom}: it is wrong, has expired or was revoked; ` +
        `log in with another one: diskferry login ${access.url}`,
    );
  }
  return status < 500
    ? new RefusedError(code, message)
    : new DiskferryError(code, `${nameOfServer(access)}: ${message}`);
}

function problemOf(body: unknown): { readonly code?: string; readonly message?: string } {
  if (typeof body !== 'object' || body === null) return {};
  const { code, message } = body as Readonly<Record<string, unknown>>;
  return typeof code === 'string' && typeof message === 'string' ? { code, message } : {};
}

import { formatHostAddress, type HostAddress } from '@diskferry/protocol/disk-address';

/** The server that is dialled cannot be reached, is another one, or does not want us; `code` is `DIAL_FAILED`. */
export class DialError extends Error {
  readonly code = 'DIAL_FAILED';
}

/** The connection works, but the answer is no. */
export function refusedBy(server: HostAddress, status: number | undefined): DialError {
  const where = formatHostAddress(server);
  if (status === 401) {
    return new DialError(
      `${where} does not take the enrolment secret of this medium: it is unknown there or was revoked; make a medium with ` +
        'a new one: diskferry enrol',
    );
  }
  return new DialError(
    `${where} refuses this client (HTTP status ${status ?? 'missing'}); is it "diskferry serve" that answers there?`,
  );
}

/** Why no connection came about, as a sentence for somebody in front of the computer. */
export function dialFailure(server: HostAddress, error: NodeJS.ErrnoException): DialError {
  const where = formatHostAddress(server);
  return new DialError(`${where} ${reasonOf(error, server)}`, { cause: error });
}

function reasonOf({ code = '', message }: NodeJS.ErrnoException, { host, port }: HostAddress): string {
  if (STRANGE_AUTHORITY.has(code)) {
    return (
      'shows a certificate that the authority of this medium has not issued: it is another server, or the medium is not ' +
      'of this one; make one with "diskferry enrol" there'
    );
  }
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `has a certificate for other names than "${host}"; start it with "diskferry serve --host ${host}"`;
    case 'ECONNREFUSED':
      return `takes no connection: start "diskferry serve" there, or see whether it listens on port ${port}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `cannot be found: the name server of this network does not know ${host}`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return 'cannot be reached: see whether this computer has an address and a gateway';
    case 'ETIMEDOUT':
      return 'does not answer: see whether it is on, and whether a firewall stands between';
    default:
      return `cannot be spoken to: ${message}`;
  }
}

/** https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/, as Node names them. */
const STRANGE_AUTHORITY = new Set([
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

export type NbdErrorCode =
  /** The connection could not be made. */
  | 'NBD_UNREACHABLE'
  /** The server has no export of that name; the message lists what it has, if it tells. */
  | 'NBD_UNKNOWN_EXPORT'
  /** The server knows what is asked and does not grant it. */
  | 'NBD_REFUSED'
  /** The other side does not speak NBD as specified; the connection is given up. */
  | 'NBD_PROTOCOL'
  /** The server has another key than it should have; the connection is given up. */
  | 'NBD_UNTRUSTED'
  /** The connection ended, or the server stopped answering, while it was in use. */
  | 'NBD_LOST'
  /** What is reached again after a loss is another disk than before, or not surely the same. */
  | 'NBD_CHANGED'
  /** The disk was used after it was closed. */
  | 'NBD_CLOSED';

/** A connection failed as a whole. A single request that failed is a DiskError. */
export class NbdError extends Error {
  readonly code: NbdErrorCode;

  constructor(code: NbdErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NbdError';
    this.code = code;
  }
}

/** The other side broke the protocol; `what` says how. */
export function protocolError(what: string): NbdError {
  return new NbdError('NBD_PROTOCOL', what);
}

export type TrustErrorCode =
  /** A key or certificate on disk cannot be read or used. */
  | 'IDENTITY_DAMAGED'
  /** The other side showed no certificate. */
  | 'PEER_UNKNOWN'
  /** The other side showed another key than the one that is expected. */
  | 'PEER_CHANGED'
  /** The other side does not know the code, or does not follow the rules of pairing. */
  | 'PAIRING_FAILED';

/** Somebody is not, or cannot prove to be, who he should be. The message is a sentence that says what to do. */
export class TrustError extends Error {
  readonly code: TrustErrorCode;

  constructor(code: TrustErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TrustError';
    this.code = code;
  }
}

/** Who is at the other end of a connection and may read the disks. */
export interface Peer {
  /** What it has proved to be; grants belong to it. */
  readonly id: string;
  /** For people, such as its address. */
  readonly name: string;
}

/** What a peer may not do, as a sentence with what to do. `code` is stable, for programs. */
export class AccessError extends Error {
  readonly code: AccessErrorCode;

  constructor(code: AccessErrorCode, message: string) {
    super(message);
    this.name = 'AccessError';
    this.code = code;
  }
}

export type AccessErrorCode =
  /** Its key is not known here. */
  | 'NOT_PAIRED'
  /** Pairing has no meaning here. */
  | 'PAIRING_UNAVAILABLE'
  /** After wrong codes, the next try has to wait. */
  | 'PAIRING_DELAYED'
  /** Nobody may write here. */
  | 'GRANT_REFUSED'
  /** Another job or peer may write to that disk. */
  | 'GRANT_TAKEN'
  /** The request for a grant is not right. */
  | 'GRANT_INVALID'
  /** There is no such disk. */
  | 'UNKNOWN_DISK';

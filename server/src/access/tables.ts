import type { Role } from './permissions.ts';

export interface AccessTables {
  readonly users: UserRow;
  readonly tokens: TokenRow;
  readonly accessLock: AccessLockRow;
  readonly auditEntries: AuditRow;
}

/** Somebody who may use this server. */
export interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAt: string;
}

/** What a user shows to be known. It goes with its user. */
export interface TokenRow {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  /** The part of the token's text by which it is found; no secret. */
  readonly publicKey: string;
  /** SHA-256 of the token's text, hexadecimal. */
  readonly sha256: string;
  readonly role: Role;
  /** JSON: a list of scopes; null for all of them. */
  readonly scopes: string | null;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

/** One row. Who changes it has the right to change roles alone until the end of his transaction. */
export interface AccessLockRow {
  readonly id: number;
}

/** Who did what. Names are kept as they were: users and tokens may be gone later. */
export interface AuditRow {
  readonly id: string;
  readonly at: string;
  /** Null for what the server did by itself, and for who was not known. */
  readonly userId: string | null;
  readonly userName: string | null;
  readonly tokenName: string | null;
  readonly action: string;
  readonly subjectKind: string | null;
  readonly subjectId: string | null;
  readonly outcome: AuditOutcome;
  /** JSON. */
  readonly detail: string;
  readonly remoteAddress: string | null;
}

/** `refused`: nothing was changed, because it was not allowed or made no sense; `failed`: it was tried. */
export type AuditOutcome = 'done' | 'refused' | 'failed';

import type { Database, Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import type { Principal } from './principal.ts';
import type { AuditOutcome, AuditRow } from './tables.ts';
import { withoutSecrets } from './without-secrets.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** What somebody did or tried, to be written down. */
export interface NewAuditEntry {
  /** Absent for what the server did by itself, and for somebody who was not known. */
  readonly principal?: Pick<Principal, 'userId' | 'userName' | 'tokenName'> | undefined;
  /** One of `PERMISSIONS`, or what the server calls it. */
  readonly action: string;
  readonly subject?: { readonly kind: string; readonly id: string } | undefined;
  readonly outcome: AuditOutcome;
  /** What was asked for, without contents. Secrets in it are covered. */
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly remoteAddress?: string | undefined;
}

/** What somebody did or tried. */
export interface AuditEntry {
  readonly id: string;
  readonly at: string;
  readonly userId?: string;
  readonly userName?: string;
  readonly tokenName?: string;
  readonly action: string;
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly outcome: AuditOutcome;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly remoteAddress?: string;
}

export interface AuditWishes {
  /** Those older than this entry only: the last one of the page before. */
  readonly before?: string | undefined;
  readonly userName?: string | undefined;
  readonly action?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
  /** ISO 8601, inclusive. */
  readonly since?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly until?: string | undefined;
  /** 1 to 1000. */
  readonly limit?: number;
}

/** Who did what. Entries are added and never changed. */
export class AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Writes down what somebody did or tried.
   *
   * @param queries the transaction of what was done, so that nothing is done that is not written down
   */
  async audit(entry: NewAuditEntry, queries: Queries = this.#database): Promise<AuditEntry> {
    const { principal, subject } = entry;
    const row: AuditRow = {
      id: newId(),
      at: now(),
      userId: principal?.userId ?? null,
      userName: principal?.userName ?? null,
      tokenName: principal?.tokenName ?? null,
      action: entry.action,
      subjectKind: subject?.kind ?? null,
      subjectId: subject === undefined ? null : String(withoutSecrets(subject.id)),
      outcome: entry.outcome,
      detail: JSON.stringify(withoutSecrets(entry.detail ?? {})),
      remoteAddress: entry.remoteAddress ?? null,
    };
    await queries.insertInto('auditEntries').values(row).execute();
    return entryOf(row);
  }

  /** Entries, newest first. */
  async list(wishes: AuditWishes = {}): Promise<AuditEntry[]> {
    const { before, userName, action, subjectId, outcome, since, until, limit = DEFAULT_LIMIT } = wishes;
    let query = this.#database
      .selectFrom('auditEntries')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(Math.max(1, Math.min(limit, MAX_LIMIT)));
    if (before !== undefined) query = query.where('id', '<', before);
    if (userName !== undefined) query = query.where('userName', '=', userName);
    if (action !== undefined) query = query.where('action', '=', action);
    if (subjectId !== undefined) query = query.where('subjectId', '=', subjectId);
    if (outcome !== undefined) query = query.where('outcome', '=', outcome);
    if (since !== undefined) query = query.where('at', '>=', since);
    if (until !== undefined) query = query.where('at', '<', until);
    return (await query.execute()).map(entryOf);
  }
}

function entryOf({ subjectKind, subjectId, detail, ...row }: AuditRow): AuditEntry {
  const { userId, userName, tokenName, remoteAddress, ...always } = row;
  return {
    ...always,
    ...(userId === null ? {} : { userId }),
    ...(userName === null ? {} : { userName }),
    ...(tokenName === null ? {} : { tokenName }),
    ...(remoteAddress === null ? {} : { remoteAddress }),
    ...(subjectKind === null || subjectId === null ? {} : { subject: { kind: subjectKind, id: subjectId } }),
    detail: JSON.parse(detail) as Record<string, unknown>,
  };
}

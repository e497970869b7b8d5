import { UsageError } from '@diskferry/system/errors';
import type { Database, Queries } from '../database/database.ts';
import { newId } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import { includesScope, isAtLeast, lesserRole, ROLES, type Role, SCOPES, type Scope } from './permissions.ts';
import { mayDo, type Principal } from './principal.ts';
import type { TokenRow, UserRow } from './tables.ts';
import { makeTokenText } from './token-text.ts';

const TOKEN_NAME = /^[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,63}$/;

/** A token without its secret. */
export interface Token {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  /** How its text begins: `dft_KEY`. By this one finds which token leaked. */
  readonly prefix: string;
  readonly role: Role;
  readonly scopes?: readonly Scope[];
  readonly createdAt: string;
  readonly expiresAt?: string;
  /** To the minute. */
  readonly lastUsedAt?: string;
  readonly revokedAt?: string;
}

/** A token just made, with what is shown only now. */
export interface ShownToken {
  readonly token: Token;
  readonly text: string;
}

export interface NewToken {
  /** What it is for, such as the name of a program. */
  readonly name: string;
  /** As much as is allowed by default. */
  readonly role?: Role;
  /** As much as is allowed by default. */
  readonly scopes?: readonly Scope[];
  /** ISO 8601; as long as is allowed by default. */
  readonly expiresAt?: string;
}

/** The tokens in the database, and the rules for new ones. `Access` asks for permission before. */
export class Tokens {
  readonly #database: Database;
  readonly #clock: () => string;

  constructor(database: Database, clock: () => string) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * @param by whose limits hold for the new one too; none for the server itself
   * @throws see `Access.createToken`
   */
  async insert(user: UserRow, wishes: NewToken, queries: Queries, by?: Principal): Promise<ShownToken> {
    if (!TOKEN_NAME.test(wishes.name)) {
      throw new UsageError(
        `"${wishes.name}" cannot name a token: up to 64 letters, digits, spaces and . _ @ + - can`,
      );
    }
    const role = roleFor(user, wishes, by);
    const scopes = scopesFor(wishes, by);
    const expiresAt = this.#expiryFor(wishes, by);
    const { text, publicKey, sha256 } = makeTokenText();
    const row: TokenRow = {
      id: newId(),
      userId: user.id,
      name: wishes.name,
      publicKey,
      sha256,
      role,
      scopes: scopes === undefined ? null : JSON.stringify(scopes),
      createdAt: this.#clock(),
      expiresAt: expiresAt ?? null,
      lastUsedAt: null,
      revokedAt: null,
    };
    const { numInsertedOrUpdatedRows } = await queries
      .insertInto('tokens')
      .values(row)
      .onConflict((conflict) => conflict.columns(['userId', 'name']).doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n) {
      throw new RefusedError(
        'TOKEN_EXISTS',
        `${user.name} has or had a token named "${wishes.name}"; choose another name`,
      );
    }
    return { token: tokenOf(row), text };
  }

  async of(userId: string): Promise<Token[]> {
    const rows = await this.#database
      .selectFrom('tokens')
      .selectAll()
      .where('userId', '=', userId)
      .orderBy('id')
      .execute();
    return rows.map(tokenOf);
  }

  /** @throws see `Access.revokeToken` */
  async revoke(by: Principal, tokenId: string): Promise<Token> {
    const row = await this.#database
      .updateTable('tokens')
      .set((expression) => ({
        revokedAt: expression.fn.coalesce('revokedAt', expression.val(this.#clock())),
      }))
      .where('id', '=', tokenId)
      .$if(!mayDo(by, 'tokens.administer'), (query) => query.where('userId', '=', by.userId))
      .returningAll()
      .executeTakeFirst();
    // The same words whether it is another's or nobody's: who may not see a token learns nothing of it.
    if (row === undefined) throw new RefusedError('TOKEN_MISSING', `there is no token ${tokenId}`);
    return tokenOf(row);
  }

  #expiryFor({ expiresAt }: NewToken, by: Principal | undefined): string | undefined {
    if (expiresAt === undefined) return by?.expiresAt;
    const at = Date.parse(expiresAt);
    if (Number.isNaN(at)) throw new UsageError(`"${expiresAt}" is no time; write 2030-12-31T00:00:00Z`);
    const wanted = new Date(at).toISOString();
    if (wanted <= this.#clock()) throw new UsageError(`a token cannot expire in the past (${wanted})`);
    if (by?.expiresAt !== undefined && wanted > by.expiresAt) {
      throw tooStrong(
        by,
        `live longer than the token ${by.tokenName} it is asked for with (${by.expiresAt})`,
      );
    }
    return wanted;
  }
}

/** A row as it may be shown. */
export function tokenOf(row: TokenRow): Token {
  return {
    id: row.id,
    userId: row.userId,
    name: row.name,
    prefix: `dft_${row.publicKey}`,
    role: row.role,
    createdAt: row.createdAt,
    ...(row.scopes === null ? {} : { scopes: JSON.parse(row.scopes) as Scope[] }),
    ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt }),
    ...(row.lastUsedAt === null ? {} : { lastUsedAt: row.lastUsedAt }),
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt }),
  };
}

function roleFor(user: UserRow, { role }: NewToken, by: Principal | undefined): Role {
  const most = by === undefined ? user.role : lesserRole(user.role, by.role);
  if (role === undefined) return most;
  if (!ROLES.includes(role)) throw new UsageError(`"${role}" is no role; choose ${ROLES.join(', ')}`);
  if (isAtLeast(most, role)) return role;
  throw tooStrong(user, `have the role ${role}: ${most} is the most here`);
}

function scopesFor({ scopes }: NewToken, by: Principal | undefined): readonly Scope[] | undefined {
  if (scopes === undefined) return by?.scopes;
  const unknown = scopes.filter((scope) => !SCOPES.includes(scope));
  if (unknown.length > 0) {
    throw new UsageError(`${unknown.join(', ')}: no such scope; choose of ${SCOPES.join(', ')}`);
  }
  const beyond = scopes.filter((scope) => !includesScope(by?.scopes, scope));
  if (by !== undefined && beyond.length > 0) {
    throw tooStrong(by, `have ${beyond.join(', ')}, which the token ${by.tokenName} has not`);
  }
  return [...new Set(scopes)].toSorted();
}

function tooStrong(of: { readonly name: string } | Principal, what: string): RefusedError {
  const name = 'userName' in of ? of.userName : of.name;
  return new RefusedError('TOKEN_TOO_STRONG', `a token for ${name} cannot ${what}`);
}

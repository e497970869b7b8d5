import { UsageError } from '@diskferry/system/errors';
import type { Database, Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import { lesserRole, ROLES, type Role } from './permissions.ts';
import { type Principal, requirePermission } from './principal.ts';
import type { TokenRow, UserRow } from './tables.ts';
import { matchesDigest, publicKeyOf } from './token-text.ts';
import { type NewToken, type ShownToken, type Token, tokenOf, Tokens } from './tokens.ts';

/** Who uses the server's socket on its own machine, which only root can: no row of a table, and no token. */
const LOCAL_ADMINISTRATOR: Principal = {
  userId: 'local',
  userName: 'local',
  tokenId: 'local',
  tokenName: 'local socket',
  role: 'administrator',
};
/** The name of the user that the first start makes. */
const FIRST_USER = 'admin';
/** In lower case, so that two names cannot look alike. It may be an address of mail. */
const USER_NAME = /^[a-z0-9][a-z0-9._@+-]{0,63}$/;
/** The last use of a token is written down at most so often, not with every request, in ms. */
const LAST_USE_STEP_MS = 60_000;

export interface User {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAt: string;
}

export interface AccessOptions {
  readonly database: Database;
  /** ISO 8601; the time of now by default. */
  readonly clock?: () => string;
}

/**
 * Users, their roles and their tokens. What is changed here holds from the next request on, on all servers that share
 * the database.
 */
export class Access {
  /**
   * Who comes by the server's socket on its own machine. By him an administrator who has lost every token makes a new one
   * for himself.
   */
  readonly localAdministrator: Principal = LOCAL_ADMINISTRATOR;
  readonly #database: Database;
  readonly #clock: () => string;
  readonly #tokens: Tokens;

  constructor({ database, clock = now }: AccessOptions) {
    this.#database = database;
    this.#clock = clock;
    this.#tokens = new Tokens(database, clock);
  }

  /**
   * Makes the user `admin` with a token if there is no user at all. Of servers that start at the same time, one does.
   *
   * @returns the token's text, which is shown nowhere again; undefined if there are users
   */
  async firstStart(): Promise<string | undefined> {
    return this.#database.transaction().execute(async (queries) => {
      await lockRoles(queries);
      const user = await queries.selectFrom('users').select('id').limit(1).executeTakeFirst();
      if (user !== undefined) return undefined;
      const admin = await this.#insertUser(FIRST_USER, 'administrator', queries);
      return (await this.#tokens.insert(admin, { name: 'first' }, queries)).text;
    });
  }

  /**
   * Who shows a token.
   *
   * @param bearer the token, as it stands behind "Bearer" in the header
   * @returns undefined for a token that is unknown, has expired or was revoked
   */
  async authenticate(bearer: string): Promise<Principal | undefined> {
    const publicKey = publicKeyOf(bearer);
    if (publicKey === undefined) return undefined;
    const token = await this.#database
      .selectFrom('tokens')
      .innerJoin('users', 'users.id', 'tokens.userId')
      .selectAll('tokens')
      .select(['users.name as userName', 'users.role as userRole'])
      .where('tokens.publicKey', '=', publicKey)
      .executeTakeFirst();
    if (token === undefined || !matchesDigest(bearer, token.sha256)) return undefined;
    if (token.revokedAt !== null || hasExpired(token, this.#clock())) return undefined;
    await this.#noteUse(token);
    const { scopes, expiresAt } = tokenOf(token);
    return {
      userId: token.userId,
      userName: token.userName,
      tokenId: token.id,
      tokenName: token.name,
      role: lesserRole(token.role, token.userRole),
      ...(scopes === undefined ? {} : { scopes }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
  }

  /** Users by name. */
  async users(by: Principal): Promise<User[]> {
    requirePermission(by, 'users.read');
    return this.#database.selectFrom('users').selectAll().orderBy('name').execute();
  }

  /** @throws {RefusedError} `USER_MISSING` */
  async user(by: Principal, id: string): Promise<User> {
    if (id !== by.userId) requirePermission(by, 'users.read');
    return requireUser(id, this.#database);
  }

  /**
   * Makes a user, who needs a token yet: see `createToken`.
   *
   * @throws {UsageError} for a name or role that cannot be
   * @throws {RefusedError} `USER_EXISTS`
   */
  async createUser(by: Principal, { name, role }: Pick<User, 'name' | 'role'>): Promise<User> {
    requirePermission(by, 'users.change');
    return this.#insertUser(name, role, this.#database);
  }

  /**
   * Gives a user another role, which limits all of his tokens at once.
   *
   * @throws {RefusedError} `LAST_ADMINISTRATOR`, `USER_MISSING`
   */
  async setRole(by: Principal, id: string, role: Role): Promise<User> {
    requirePermission(by, 'users.change');
    requireRole(role);
    return this.#database.transaction().execute(async (queries) => {
      await lockRoles(queries);
      const user = await requireUser(id, queries);
      await queries.updateTable('users').set({ role }).where('id', '=', id).execute();
      await requireAdministrator(user.name, queries);
      return { ...user, role };
    });
  }

  /**
   * Deletes a user with his tokens.
   *
   * @throws {RefusedError} `LAST_ADMINISTRATOR`, `USER_MISSING`
   */
  async deleteUser(by: Principal, id: string): Promise<User> {
    requirePermission(by, 'users.change');
    return this.#database.transaction().execute(async (queries) => {
      await lockRoles(queries);
      const user = await requireUser(id, queries);
      await queries.deleteFrom('users').where('id', '=', id).execute();
      await requireAdministrator(user.name, queries);
      return user;
    });
  }

  /**
   * Makes a token, for oneself or, as an administrator, for another user. It can do no more than the user, nor than the
   * token it is asked for with, and does not live longer than that one.
   *
   * @returns the token and its text, which is shown nowhere again
   * @throws {UsageError} for a name, scope or time that cannot be
   * @throws {RefusedError} `TOKEN_EXISTS`, `TOKEN_TOO_STRONG`, `USER_MISSING`
   */
  async createToken(by: Principal, userId: string, wishes: NewToken): Promise<ShownToken> {
    requirePermission(by, userId === by.userId ? 'tokens.change' : 'tokens.administer');
    // The roles stay as they are until the token is there, else one could be made for a user who is being demoted.
    return this.#database.transaction().execute(async (queries) => {
      await lockRoles(queries);
      return this.#tokens.insert(await requireUser(userId, queries), wishes, queries, by);
    });
  }

  /** The tokens of a user, without their secrets, oldest first. One's own need no administrator. */
  async tokens(by: Principal, userId: string): Promise<Token[]> {
    requirePermission(by, userId === by.userId ? 'tokens.read' : 'tokens.administer');
    await requireUser(userId, this.#database);
    return this.#tokens.of(userId);
  }

  /**
   * Ends a token for good. One that was revoked before stays so.
   *
   * @throws {RefusedError} `TOKEN_MISSING`; also for a token of another user, unless one is administrator
   */
  async revokeToken(by: Principal, tokenId: string): Promise<Token> {
    requirePermission(by, 'tokens.change');
    return this.#tokens.revoke(by, tokenId);
  }

  async #insertUser(name: string, role: Role, queries: Queries): Promise<UserRow> {
    if (!USER_NAME.test(name)) {
      throw new UsageError(
        `"${name}" cannot name a user: up to 64 small letters, digits and . _ @ + - can, beginning with a letter or digit`,
      );
    }
    requireRole(role);
    const user: UserRow = { id: newId(), name, role, createdAt: this.#clock() };
    const { numInsertedOrUpdatedRows } = await queries
      .insertInto('users')
      .values(user)
      .onConflict((conflict) => conflict.column('name').doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 1n) return user;
    throw new RefusedError('USER_EXISTS', `there is a user ${name} already; choose another name`);
  }

  async #noteUse({ id, lastUsedAt }: TokenRow): Promise<void> {
    const at = this.#clock();
    if (lastUsedAt !== null && Date.parse(at) - Date.parse(lastUsedAt) < LAST_USE_STEP_MS) return;
    const update = this.#database.updateTable('tokens').set({ lastUsedAt: at }).where('id', '=', id);
    // Where nothing can be written, as on a full disk, he must be let in to make room.
    await update.execute().catch(() => {});
  }
}

/** One at a time changes roles, on all servers: two administrators could delete each other otherwise. */
async function lockRoles(queries: Queries): Promise<void> {
  await queries.updateTable('accessLock').set({ id: 1 }).where('id', '=', 1).execute();
}

async function requireAdministrator(changed: string, queries: Queries): Promise<void> {
  const administrator = await queries
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'administrator')
    .limit(1)
    .executeTakeFirst();
  if (administrator !== undefined) return;
  throw new RefusedError(
    'LAST_ADMINISTRATOR',
    `${changed} is the last administrator; make another user administrator first`,
  );
}

async function requireUser(id: string, queries: Queries): Promise<UserRow> {
  const user = await queries.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  if (user === undefined) throw new RefusedError('USER_MISSING', `there is no user ${id}`);
  return user;
}

function requireRole(role: string): asserts role is Role {
  if (!(ROLES as readonly string[]).includes(role)) {
    throw new UsageError(`"${role}" is no role; choose ${ROLES.join(', ')}`);
  }
}

function hasExpired({ expiresAt }: Pick<TokenRow, 'expiresAt'>, at: string): boolean {
  return expiresAt !== null && expiresAt <= at;
}

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { type OpenEmpty, describeOnEachDatabase } from '../database/testing/each-database.ts';
import { Access } from './access.ts';
import type { Role } from './permissions.ts';
import type { Principal } from './principal.ts';

const START = '2030-01-01T00:00:00.000Z';
const HOUR_MS = 3_600_000;
/** Of a race, which one side does not win each time. */
const ROUNDS = 5;

/** Access to an empty database at its first start, with a clock that the test sets. */
async function start(t: TestContext, open: OpenEmpty) {
  const database = await open(t);
  let at = START;
  const access = new Access({ database, clock: () => at });
  const text = await access.firstStart();
  assert.ok(text !== undefined);
  const principal = async (bearer: string): Promise<Principal> => {
    const found = await access.authenticate(bearer);
    assert.ok(found !== undefined, 'the token is not valid');
    return found;
  };
  const admin = await principal(text);
  return {
    database,
    access,
    text,
    admin,
    principal,
    later: (ms: number): string => {
      at = new Date(Date.parse(at) + ms).toISOString();
      return at;
    },
    /** A new user with a token. */
    join: async (name: string, role: Role) => {
      const user = await access.createUser(admin, { name, role });
      const { text: bearer, token } = await access.createToken(admin, user.id, { name: 'laptop' });
      return { user, bearer, token, principal: await principal(bearer) };
    },
  };
}

describeOnEachDatabase('access', (open) => {
  test('the first start makes an administrator and tells his token once', async (t) => {
    const { access, admin, database } = await start(t, open);
    assert.deepEqual([admin.userName, admin.role, admin.scopes], ['admin', 'administrator', undefined]);
    assert.equal(await access.firstStart(), undefined);
    assert.equal((await access.users(admin)).length, 1);
    const kept = JSON.stringify(await database.selectFrom('tokens').selectAll().execute());
    assert.doesNotMatch(kept, /dft_/);
  });

  test('servers that start for the first time at once make one administrator', async (t) => {
    const database = await open(t);
    const texts = await Promise.all(
      Array.from({ length: 5 }, () => new Access({ database }).firstStart().catch(() => undefined)),
    );
    assert.equal(texts.filter((text) => text !== undefined).length, 1);
    assert.equal((await database.selectFrom('users').selectAll().execute()).length, 1);
  });

  test('who has lost every token makes one on the server itself', async (t) => {
    const { access, admin, principal } = await start(t, open);
    const { localAdministrator } = access;
    const [user] = await access.users(localAdministrator);
    assert.equal(user?.id, admin.userId);
    const { text } = await access.createToken(localAdministrator, admin.userId, { name: 'new' });
    assert.equal((await principal(text)).role, 'administrator');
  });

  test('what is no token, an unknown one, or a right key with a wrong secret admits nobody', async (t) => {
    const { access, text } = await start(t, open);
    const last = text.endsWith('0') ? '1' : '0';
    const wrong = [
      text.slice(0, -1) + last,
      `dft_${'0'.repeat(12)}_${'0'.repeat(64)}`,
      '',
      text.slice(0, -1),
    ];
    for (const bearer of [...wrong, `Bearer ${text}`, "dft_' or 1=1 --"]) {
      assert.equal(await access.authenticate(bearer), undefined, bearer);
    }
  });

  test('a token that has expired or was revoked admits nobody, and stays in the list', async (t) => {
    const { access, admin, later } = await start(t, open);
    const wishes = { name: 'short', expiresAt: '2030-01-01T01:00:00+00:00' };
    const { text, token } = await access.createToken(admin, admin.userId, wishes);
    assert.equal(token.expiresAt, '2030-01-01T01:00:00.000Z');
    later(HOUR_MS - 1);
    assert.equal((await access.authenticate(text))?.expiresAt, token.expiresAt);
    later(1);
    assert.equal(await access.authenticate(text), undefined);

    const other = await access.createToken(admin, admin.userId, { name: 'other' });
    const revoked = await access.revokeToken(admin, other.token.id);
    assert.equal(await access.authenticate(other.text), undefined);
    later(HOUR_MS);
    assert.equal((await access.revokeToken(admin, other.token.id)).revokedAt, revoked.revokedAt);
    const names = (await access.tokens(admin, admin.userId)).map(({ name }) => name);
    assert.deepEqual(names, ['first', 'short', 'other']);
  });

  test('the last use of a token is noted to the minute', async (t) => {
    const { access, admin, text, later } = await start(t, open);
    const lastUse = async (): Promise<string | undefined> =>
      (await access.tokens(admin, admin.userId))[0]?.lastUsedAt;
    assert.equal(await lastUse(), START);
    later(59_000);
    await access.authenticate(text);
    assert.equal(await lastUse(), START);
    const at = later(1_000);
    await access.authenticate(text);
    assert.equal(await lastUse(), at);
  });

  test('a database that cannot be written to lets in whom it knows', async (t) => {
    const { access, text, database } = await start(t, open);
    await sql`alter table tokens rename column last_used_at to moved_away`.execute(database);
    await assert.rejects(database.updateTable('tokens').set({ lastUsedAt: START }).execute());
    assert.equal((await access.authenticate(text))?.userName, 'admin');
  });

  test('a role that is taken away limits the tokens that are there', async (t) => {
    const { access, admin, join, principal } = await start(t, open);
    const { user, bearer } = await join('olga', 'administrator');
    assert.equal((await principal(bearer)).role, 'administrator');
    await access.setRole(admin, user.id, 'viewer');
    assert.equal((await principal(bearer)).role, 'viewer');
    await access.setRole(admin, user.id, 'administrator');
    assert.equal((await principal(bearer)).role, 'administrator');
  });

  test('a deleted user is out at once, with all of his tokens', async (t) => {
    const { access, admin, join, database } = await start(t, open);
    const { user, bearer } = await join('olga', 'operator');
    await access.deleteUser(admin, user.id);
    assert.equal(await access.authenticate(bearer), undefined);
    const left = await database.selectFrom('tokens').select('userId').execute();
    assert.deepEqual(left, [{ userId: admin.userId }]);
    await assert.rejects(access.deleteUser(admin, user.id), { code: 'USER_MISSING' });
    // The name is free, and gives nothing of what its owner had.
    await access.createUser(admin, { name: 'olga', role: 'viewer' });
    assert.equal(await access.authenticate(bearer), undefined);
  });

  test('the last administrator can be neither deleted nor demoted', async (t) => {
    const { access, admin, join, principal, text } = await start(t, open);
    const last = { code: 'LAST_ADMINISTRATOR', message: /admin is the last administrator; make another/ };
    await assert.rejects(access.deleteUser(admin, admin.userId), last);
    await assert.rejects(access.setRole(admin, admin.userId, 'operator'), last);
    assert.equal((await principal(text)).role, 'administrator');
    await join('olga', 'administrator');
    await access.deleteUser(admin, admin.userId);
    assert.equal(await access.authenticate(text), undefined);
  });

  test('administrators who delete and demote each other at once leave one', async (t) => {
    const { access, admin, join, database } = await start(t, open);
    const administrators = database.selectFrom('users').select('id').where('role', '=', 'administrator');
    for (let round = 0; round < ROUNDS; round++) {
      for (let count = 0; count < 4; count++) await join(`user-${round}-${count}`, 'administrator');
      const everybody = await administrators.execute();
      // They wait for this transaction where they would change a user, and then go on all at once.
      const attempts = await database.transaction().execute(async (queries) => {
        await queries.updateTable('users').set({ createdAt: START }).execute();
        const results = Promise.allSettled(
          everybody.map(({ id }, index) =>
            index % 2 === 0 ? access.deleteUser(admin, id) : access.setRole(admin, id, 'viewer'),
          ),
        );
        await sleep(50);
        // In an object, or the transaction would wait for those that wait for it.
        return { results };
      });
      const results = await attempts.results;
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, everybody.length - 1);
      assert.equal((await administrators.execute()).length, 1);
    }
  });

  test('who is no administrator manages nobody', async (t) => {
    const { access, admin, join } = await start(t, open);
    const { principal: olga } = await join('olga', 'operator');
    const attempts = [
      access.users(olga),
      access.user(olga, admin.userId),
      access.createUser(olga, { name: 'x', role: 'viewer' }),
      access.setRole(olga, olga.userId, 'administrator'),
      access.deleteUser(olga, admin.userId),
      access.createToken(olga, admin.userId, { name: 'x' }),
      access.tokens(olga, admin.userId),
    ];
    for (const attempt of await Promise.allSettled(attempts)) {
      assert.equal(attempt.status === 'rejected' && attempt.reason.code, 'FORBIDDEN');
    }
    assert.equal((await access.user(olga, olga.userId)).name, 'olga');
  });

  test('a user lists and revokes his own tokens, and those of others are no matter of his', async (t) => {
    const { access, admin, join, text } = await start(t, open);
    const { principal: vera, bearer } = await join('vera', 'viewer');
    const { token } = await access.createToken(vera, vera.userId, { name: 'script' });
    assert.equal((await access.tokens(vera, vera.userId)).length, 2);
    await access.revokeToken(vera, token.id);
    await assert.rejects(access.revokeToken(vera, admin.tokenId), { code: 'TOKEN_MISSING' });
    assert.ok((await access.authenticate(text)) !== undefined);
    await access.revokeToken(admin, vera.tokenId);
    assert.equal(await access.authenticate(bearer), undefined);
  });

  test('a token can do no more than its user', async (t) => {
    const { access, admin, join, principal } = await start(t, open);
    const { user, principal: olga } = await join('olga', 'operator');
    for (const by of [admin, olga]) {
      const wishes = { name: 'too much', role: 'administrator' } as const;
      await assert.rejects(access.createToken(by, user.id, wishes), {
        code: 'TOKEN_TOO_STRONG',
        message: /a token for olga cannot have the role administrator: operator is the most here/,
      });
    }
    const { text } = await access.createToken(olga, user.id, { name: 'reader', role: 'viewer' });
    assert.equal((await principal(text)).role, 'viewer');
  });

  test('a token makes none that can do more or lives longer than itself', async (t) => {
    const { access, admin, principal } = await start(t, open);
    const limited = await access.createToken(admin, admin.userId, {
      name: 'limited',
      role: 'operator',
      scopes: ['tokens:write', 'images:write', 'images:write'],
      expiresAt: '2030-02-01T00:00:00Z',
    });
    assert.deepEqual(limited.token.scopes, ['images:write', 'tokens:write']);
    const by = await principal(limited.text);
    const attempts = [
      { role: 'administrator' },
      { scopes: ['images:write', 'jobs:read'] },
      { expiresAt: '2030-02-01T00:00:01Z' },
    ] as const;
    for (const wishes of attempts) {
      await assert.rejects(access.createToken(by, by.userId, { name: 'x', ...wishes }), {
        code: 'TOKEN_TOO_STRONG',
      });
    }
    const { token: equal } = await access.createToken(by, by.userId, { name: 'equal' });
    assert.deepEqual(
      [equal.role, equal.scopes, equal.expiresAt],
      ['operator', ['images:write', 'tokens:write'], '2030-02-01T00:00:00.000Z'],
    );
    const { token: less } = await access.createToken(by, by.userId, {
      name: 'less',
      role: 'viewer',
      scopes: ['images:read'],
      expiresAt: '2030-01-15T00:00:00Z',
    });
    assert.deepEqual([less.role, less.scopes], ['viewer', ['images:read']]);
    await assert.rejects(access.createToken(await principal(limited.text), 'nobody', { name: 'x' }), {
      code: 'FORBIDDEN',
    });
  });

  test('names, roles, scopes and times that cannot be are refused in words', async (t) => {
    const { access, admin } = await start(t, open);
    const usage = { code: 'USAGE' };
    for (const name of ['', 'Olga', '-x', 'a b', 'a/b', 'ä', 'x'.repeat(65), "a'; drop table users --"]) {
      await assert.rejects(access.createUser(admin, { name, role: 'viewer' }), usage, name);
    }
    const role = 'root' as 'viewer';
    await assert.rejects(access.createUser(admin, { name: 'x', role }), usage);
    await assert.rejects(access.setRole(admin, admin.userId, role), usage);
    const wrong = [
      { name: '' },
      { name: 'a\nb' },
      { name: 'x', role },
      { name: 'x', scopes: ['images:delete' as 'images:read'] },
      { name: 'x', expiresAt: 'tomorrow' },
      { name: 'x', expiresAt: START },
    ];
    for (const wishes of wrong) {
      await assert.rejects(access.createToken(admin, admin.userId, wishes), usage, JSON.stringify(wishes));
    }
    await assert.rejects(access.createUser(admin, { name: 'admin', role: 'viewer' }), {
      code: 'USER_EXISTS',
    });
    await assert.rejects(access.createToken(admin, admin.userId, { name: 'first' }), {
      code: 'TOKEN_EXISTS',
    });
    await assert.rejects(access.createToken(admin, 'nobody', { name: 'x' }), { code: 'USER_MISSING' });
    await assert.rejects(access.revokeToken(admin, 'nothing'), { code: 'TOKEN_MISSING' });
    assert.equal((await access.users(admin)).length, 1);
  });
});

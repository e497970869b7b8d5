import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { openDatabase, withoutPassword } from './database.ts';
import { type PostgresServer, startPostgres } from './testing/postgres-server.ts';

describe('opening a database', () => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-database-'));
  let server: PostgresServer;
  const urls: Record<string, () => Promise<string>> = {
    SQLite: async () => `sqlite:${join(folder, 'new/folder/test.sqlite')}`,
    PostgreSQL: () => server.createDatabase(),
  };
  before(async () => {
    server = await startPostgres();
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.destroy();
  });

  for (const [name, makeUrl] of Object.entries(urls)) {
    test(`${name}: what is written is there after a restart`, async () => {
      const url = await makeUrl();
      const first = await openDatabase(url);
      await first.insertInto('events').values(EVENT).execute();
      await first.destroy();
      const later = await openDatabase(url);
      assert.deepEqual(await later.selectFrom('events').selectAll().execute(), [EVENT]);
      await later.destroy();
    });

    test(`${name}: a database of a newer version is refused and not changed`, async () => {
      const url = await makeUrl();
      const database = await openDatabase(url);
      await sql`insert into kysely_migration (name, timestamp) values ('9999-future', '2099')`.execute(
        database,
      );
      await database.destroy();
      await assert.rejects(openDatabase(url), { code: 'DATABASE_NEWER', message: /newer diskferry/ });
      if (name === 'SQLite') rmSync(join(folder, 'new'), { recursive: true });
    });
  }

  // One server at most uses an SQLite file: `startServer` sees to it.
  test('PostgreSQL: servers that start at the same time migrate once', async () => {
    const url = await server.createDatabase();
    const databases = await Promise.all(Array.from({ length: 4 }, () => openDatabase(url)));
    await databases[0]?.insertInto('events').values(EVENT).execute();
    for (const database of databases) {
      assert.deepEqual(await database.selectFrom('events').selectAll().execute(), [EVENT]);
      await database.destroy();
    }
  });

  test('only its user may read the folder of a new SQLite database', async () => {
    await (await openDatabase(`sqlite:${join(folder, 'private/test.sqlite')}`)).destroy();
    assert.equal(statSync(join(folder, 'private')).mode & 0o777, 0o700);
  });

  test('what is no database, and who does not answer, is said in a sentence without the password', async () => {
    const rubbish = join(folder, 'rubbish');
    writeFileSync(rubbish, 'this is no database, but a text of more than a hundred bytes '.repeat(4));
    await assert.rejects(openDatabase(`sqlite:${rubbish}`), {
      code: 'DATABASE_FAILED',
      message: /rubbish cannot be used: file is not a database/,
    });
    await assert.rejects(openDatabase(`postgresql://me:secret@/x?host=${folder}`), {
      code: 'DATABASE_FAILED',
      message: /^the database postgresql:\/\/me:\*\*\*@\/x\S* cannot be used: connect ENOENT/,
    });
    for (const url of ['mysql://me:secret@host/x', 'sqlite:', 'file']) {
      await assert.rejects(openDatabase(url), { code: 'USAGE' });
    }
    assert.equal(withoutPassword('mysql://me:secret@host/x'), 'mysql://me:***@host/x');
  });
});

const EVENT = {
  id: 'one',
  at: '2026-01-01T00:00:00.000Z',
  kind: 'test',
  severity: 'info',
  subjectKind: null,
  subjectId: null,
  message: 'It is a test.',
  data: '{}',
} as const;

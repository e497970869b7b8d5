import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type ColumnMetadata, sql, type TableMetadata } from 'kysely';
import { Migrator } from 'kysely/migration';
import { connect, type Database, openDatabase } from './database.ts';
import { MIGRATIONS } from './migrate.ts';
import { type PostgresServer, startPostgres } from './testing/postgres-server.ts';

/** One value for all texts: so every reference finds its row. */
const TEXT = 'x';
/** Not the one of a row that a migration makes itself. */
const NUMBER = 7;

describe('migrations keep what is in a database of an earlier version', () => {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-database-'));
  let server: PostgresServer;
  const places: Record<string, (step: string) => Promise<string>> = {
    SQLite: async (step) => `sqlite:${join(folder, step)}`,
    PostgreSQL: () => server.createDatabase(),
  };
  before(async () => {
    server = await startPostgres();
  });
  after(async () => {
    rmSync(folder, { recursive: true });
    await server.destroy();
  });

  for (const [name, makeUrl] of Object.entries(places)) {
    for (const step of Object.keys(MIGRATIONS)) {
      test(`${name}: from ${step}`, async () => {
        const url = await makeUrl(step);
        const earlier = connect(url);
        const tables = await fillAt(earlier, step);
        await earlier.destroy();
        assert.ok(tables.length > 0);
        const latest = await openDatabase(url);
        for (const { table, columns } of tables) {
          const kept =
            await sql`select ${sql.join(columns.map((column) => sql.ref(column.name)))} from ${sql.table(table)}`.execute(
              latest,
            );
          const values = kept.rows.map((row) => Object.values(row as object).map(String));
          const written = columns.map((column) => String(valueOf(column)));
          assert.ok(
            values.some((row) => isDeepStrictEqual(row, written)),
            `${table}: ${JSON.stringify(values)}`,
          );
        }
        await latest.destroy();
      });
    }
  }
});

/** Migrates an empty database up to a step, and puts a row into each of its tables. @returns what is in there */
async function fillAt(
  database: Database,
  step: string,
): Promise<{ readonly table: string; readonly columns: readonly ColumnMetadata[] }[]> {
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateTo(step);
  assert.equal(error, undefined);
  const waiting = (await database.introspection.getTables()).filter(({ isView }) => !isView);
  const filled: { table: string; columns: ColumnMetadata[] }[] = [];
  // Those that refer to others want them to be there first.
  for (let table = waiting.shift(), tries = 0; table !== undefined; table = waiting.shift()) {
    const columns = table.columns.filter(({ isAutoIncrementing }) => !isAutoIncrementing);
    // Of SQLite's tables, one that has nothing but a number.
    if (columns.length === 0) continue;
    if (await insert(database, table, columns)) filled.push({ table: table.name, columns });
    else waiting.push(table);
    assert.ok(++tries < 1000, `no row fits into ${waiting.map(({ name }) => name).join(', ')}`);
  }
  return filled;
}

async function insert(
  database: Database,
  { name }: TableMetadata,
  columns: readonly ColumnMetadata[],
): Promise<boolean> {
  const names = columns.map((column) => sql.ref(column.name));
  const values = columns.map((column) => sql`${valueOf(column)}`);
  const row = sql`insert into ${sql.table(name)} (${sql.join(names)}) values (${sql.join(values)})`;
  return row.execute(database).then(
    () => true,
    (error: unknown) => {
      if (/foreign key/i.test((error as Error).message)) return false;
      throw error;
    },
  );
}

function valueOf({ dataType }: ColumnMetadata): string | number {
  return /int/i.test(dataType) ? NUMBER : TEXT;
}

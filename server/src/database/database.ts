import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { CamelCasePlugin, type Dialect, Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { DiskferryError, messageOf, UsageError } from '@diskferry/system/errors';
import { migrateToLatest } from './migrate.ts';
import { openPostgresPool } from './postgres-pool.ts';
import type { Schema } from './schema.ts';
import { openSqliteFile } from './sqlite-file.ts';

/**
 * The database of an imaging server. The same queries run on SQLite and on PostgreSQL: what only one of them can do is not
 * used. Ids are UUIDs of version 7, times are ISO 8601 in UTC with milliseconds, structures are JSON; all of them text.
 */
export type Database = Kysely<Schema>;
/** A database, or a transaction in it. */
export type Queries = Kysely<Schema>;

const SQLITE = 'sqlite:';
const POSTGRES = /^postgres(?:ql)?:/;

/**
 * Opens a database and brings its schema up to date.
 *
 * @param url `sqlite:PATH` (the file is made), or a connection string of PostgreSQL
 * @throws {UsageError} for another url
 * @throws {DiskferryError} `DATABASE_FAILED` when it cannot be reached, is damaged, or is of a newer diskferry
 */
export async function openDatabase(url: string): Promise<Database> {
  const database = connect(url);
  try {
    await migrateToLatest(database);
    return database;
  } catch (error) {
    await database.destroy().catch(() => {});
    if (error instanceof DiskferryError) throw error;
    throw new DiskferryError(
      'DATABASE_FAILED',
      `the database ${withoutPassword(url)} cannot be used: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** A database as it is, whatever its schema. @throws {UsageError} for what is no url of a database */
export function connect(url: string): Database {
  return new Kysely<Schema>({ dialect: dialectOf(url), plugins: [new CamelCasePlugin()] });
}

function dialectOf(url: string): Dialect {
  if (POSTGRES.test(url)) return new PostgresDialect({ pool: async () => openPostgresPool(url) });
  if (!url.startsWith(SQLITE) || url === SQLITE) {
    throw new UsageError(
      `"${withoutPassword(url)}" is no database; write sqlite:PATH or postgresql://USER@HOST/NAME`,
    );
  }
  const path = url.slice(SQLITE.length);
  return new SqliteDialect({
    database: async () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return openSqliteFile(path);
    },
  });
}

/** A connection string as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^/:@]*):[^@]*@/, '$1:***@').replace(/([?&]password=)[^&]*/, '$1***');
}

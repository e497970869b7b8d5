import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';

/**
 * Readers do not wait for a writer (WAL); what is committed survives a power failure (FULL); another process, such as a
 * backup, is waited for.
 */
const PRAGMAS = [
  'PRAGMA journal_mode = WAL',
  'PRAGMA synchronous = FULL',
  'PRAGMA foreign_keys = ON',
  'PRAGMA busy_timeout = 10000',
];

/** The database of Node as Kysely wants to have it. */
export function openSqliteFile(path: string): SqliteDatabase {
  const database = new DatabaseSync(path);
  for (const pragma of PRAGMAS) database.exec(pragma);
  return { close: () => database.close(), prepare: (sql) => wrap(database.prepare(sql)) };
}

function wrap(statement: StatementSync): SqliteStatement {
  const spread = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...spread(parameters)),
    run: (parameters) => statement.run(...spread(parameters)),
    iterate: (parameters) => statement.iterate(...spread(parameters)),
  };
}

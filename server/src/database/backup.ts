import { existsSync } from 'node:fs';
import { backup as backUpSqlite, DatabaseSync } from 'node:sqlite';
import { run } from '@diskferry/system/run';
import { RefusedError } from '../refused-error.ts';

const SQLITE = 'sqlite:';

/**
 * Writes a copy of a database as it is at one moment, while servers go on with it: an SQLite database, or what pg_restore
 * takes (`pg_dump --format custom`).
 *
 * @param file that is not there yet
 * @throws {RefusedError} `FILE_EXISTS`, `DATABASE_MISSING`
 * @throws {CommandError} when pg_dump fails
 */
export async function backUpDatabase(url: string, file: string): Promise<void> {
  if (existsSync(file)) {
    throw new RefusedError('FILE_EXISTS', `${file} exists already; choose another name`);
  }
  if (!url.startsWith(SQLITE)) {
    await run(['pg_dump', '--format', 'custom', '--file', file, '--dbname', url]);
    return;
  }
  const path = url.slice(SQLITE.length);
  if (!existsSync(path)) throw new RefusedError('DATABASE_MISSING', `there is no database ${path}`);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    await backUpSqlite(database, file);
  } finally {
    database.close();
  }
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext } from 'node:test';
import { type Database, openDatabase } from '../database.ts';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

/** Makes an empty database for one test, and closes it with the test. */
export type OpenEmpty = (t: TestContext) => Promise<Database>;

/** Runs the same tests on SQLite and on PostgreSQL. Needs root for the latter: use it in `*.root-test.ts`. */
export function describeOnEachDatabase(name: string, tests: (open: OpenEmpty) => void): void {
  describe(`${name}, on SQLite`, () => tests(openSqlite));
  describe(`${name}, on PostgreSQL`, () => {
    let server: PostgresServer;
    before(async () => {
      server = await startPostgres();
    });
    after(() => server.destroy());
    tests(async (t) => openFor(t, await server.createDatabase()));
  });
}

/** An empty SQLite database for one test. */
export async function openSqlite(t: TestContext): Promise<Database> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-database-'));
  const database = await openFor(t, `sqlite:${join(folder, 'test.sqlite')}`);
  t.after(() => rmSync(folder, { recursive: true }));
  return database;
}

async function openFor(t: TestContext, url: string): Promise<Database> {
  const database = await openDatabase(url);
  t.after(() => database.destroy());
  return database;
}

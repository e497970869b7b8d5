import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { run } from '@diskferry/system/run';
import { EventLog } from '../events/event-log.ts';
import { backUpDatabase } from './backup.ts';
import { openDatabase } from './database.ts';
import { startPostgres } from './testing/postgres-server.ts';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-backup-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What the events of a database say. */
async function messagesIn(url: string): Promise<string[]> {
  const database = await openDatabase(url);
  const events = await new EventLog(database).list();
  await database.destroy();
  return events.map(({ message }) => message);
}

test('a copy of an SQLite database in use has what was committed before, and opens as a database', async (t) => {
  const folder = folderFor(t);
  const [url, copy] = [`sqlite:${join(folder, 'live.sqlite')}`, join(folder, 'copy.sqlite')];
  const database = await openDatabase(url);
  t.after(() => database.destroy());
  const events = new EventLog(database);
  await events.add({ kind: 'test', message: 'before' });
  await backUpDatabase(url, copy);
  await events.add({ kind: 'test', message: 'after' });
  assert.deepEqual(await messagesIn(`sqlite:${copy}`), ['before']);
  await assert.rejects(backUpDatabase(url, copy), { code: 'FILE_EXISTS', message: /choose another name/ });
  await assert.rejects(backUpDatabase(`sqlite:${join(folder, 'no')}`, join(folder, 'x')), {
    code: 'DATABASE_MISSING',
  });
});

test('a copy of a PostgreSQL database can be restored into an empty one', async (t) => {
  const folder = folderFor(t);
  const server = await startPostgres();
  t.after(() => server.destroy());
  const [url, empty] = [await server.createDatabase(), await server.createDatabase()];
  const database = await openDatabase(url);
  await new EventLog(database).add({ kind: 'test', message: 'before' });
  const copy = join(folder, 'copy.dump');
  await backUpDatabase(url, copy);
  await database.destroy();
  await run(['pg_restore', '--no-owner', '--dbname', empty, copy]);
  assert.deepEqual(await messagesIn(empty), ['before']);
});

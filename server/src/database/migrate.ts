import type { Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { createEvents } from './migrations/0001-events.ts';
import { createRegistry } from './migrations/0002-registry.ts';
import { createAccess } from './migrations/0003-access.ts';
import { createCatalog } from './migrations/0004-catalog.ts';
import { createJobs } from './migrations/0005-jobs.ts';
import { createSchedules } from './migrations/0006-schedules.ts';
import { createLinkPlaces } from './migrations/0007-link-places.ts';
import type { Schema } from './schema.ts';

/**
 * All steps from an empty database to the schema of this version, in order. A step that was released never changes: what
 * comes later is a further step. None was released yet.
 */
export const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-events': createEvents,
  '0002-registry': createRegistry,
  '0003-access': createAccess,
  '0004-catalog': createCatalog,
  '0005-jobs': createJobs,
  '0006-schedules': createSchedules,
  '0007-link-places': createLinkPlaces,
};

/**
 * Brings the schema up to date. Servers that start at the same time on PostgreSQL wait for each other.
 *
 * @throws {DiskferryError} `DATABASE_NEWER` when a newer diskferry has changed it
 */
export async function migrateToLatest(database: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && /corrupted migrations/.test(error.message)) {
    throw new DiskferryError(
      'DATABASE_NEWER',
      'the database was used by a newer diskferry; start that one, or restore a backup of before',
      { cause: error },
    );
  }
  throw new Error(messageOf(error), { cause: error });
}

import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What happened: see events/tables.ts. */
export const createEvents: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    await database.schema
      .createTable('events')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('severity', 'text', (column) => column.notNull())
      .addColumn('subject_kind', 'text')
      .addColumn('subject_id', 'text')
      .addColumn('message', 'text', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .execute();
    await database.schema
      .createIndex('events_subject')
      .on('events')
      .columns(['subject_kind', 'subject_id', 'id'])
      .execute();
  },
};

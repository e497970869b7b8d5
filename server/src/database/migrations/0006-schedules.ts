import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Jobs that are submitted again and again: see jobs/tables.ts. */
export const createSchedules: Migration = {
  async up({ schema }: Kysely<unknown>): Promise<void> {
    await schema
      .createTable('schedules')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('cron', 'text', (column) => column.notNull())
      .addColumn('time_zone', 'text', (column) => column.notNull())
      .addColumn('job', 'text', (column) => column.notNull())
      .addColumn('enabled', 'integer', (column) => column.notNull())
      .addColumn('next_at', 'text')
      .addColumn('last_at', 'text')
      .addColumn('problem', 'text')
      .execute();
  },
};

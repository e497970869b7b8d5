import { type Kysely, PostgresAdapter } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Work and its log, and the servers that share it: see jobs/tables.ts. */
export const createJobs: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    const { schema } = database;
    await schema
      .createTable('servers')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('host', 'text', (column) => column.notNull())
      .addColumn('seen_at', 'text', (column) => column.notNull())
      .execute();
    await schema
      .createTable('jobs')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('priority', 'integer', (column) => column.notNull())
      .addColumn('spec', 'text', (column) => column.notNull())
      .addColumn('link', 'text')
      .addColumn('computer_id', 'text')
      .addColumn('image_id', 'text')
      .addColumn('created_by', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('start_after', 'text')
      .addColumn('started_at', 'text')
      .addColumn('ended_at', 'text')
      .addColumn('attempt', 'integer', (column) => column.notNull())
      .addColumn('max_attempts', 'integer', (column) => column.notNull())
      .addColumn('server_id', 'text')
      .addColumn('cancel_requested', 'integer', (column) => column.notNull())
      .addColumn('step', 'text')
      .addColumn('done_bytes', 'bigint', (column) => column.notNull())
      .addColumn('total_bytes', 'bigint', (column) => column.notNull())
      .addColumn('error_code', 'text')
      .addColumn('error_message', 'text')
      .addColumn('result', 'text')
      .execute();
    for (const columns of [
      ['state', 'server_id'],
      ['computer_id', 'id'],
      ['image_id', 'id'],
    ]) {
      await schema.createIndex(`jobs_${columns[0]}`).on('jobs').columns(columns).execute();
    }
    // Two jobs of one computer never run at the same time, whichever servers take them.
    await schema
      .createIndex('jobs_running_computer')
      .on('jobs')
      .column('computer_id')
      .unique()
      .where('state' as never, '=', 'running')
      .execute();
    const isPostgres = database.getExecutor().adapter instanceof PostgresAdapter;
    await schema
      .createTable('job_log')
      .addColumn('number', isPostgres ? 'bigint' : 'integer', (column) =>
        isPostgres ? column.primaryKey().generatedAlwaysAsIdentity() : column.primaryKey().autoIncrement(),
      )
      .addColumn('job_id', 'text', (column) => column.notNull().references('jobs.id').onDelete('cascade'))
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('line', 'text', (column) => column.notNull())
      .execute();
    await schema.createIndex('job_log_job').on('job_log').columns(['job_id', 'number']).execute();
  },
};

import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Users, their tokens, and who did what: see access/tables.ts. */
export const createAccess: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    await database.schema
      .createTable('users')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute();
    await database.schema
      .createTable('tokens')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('user_id', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('public_key', 'text', (column) => column.notNull().unique())
      .addColumn('sha256', 'text', (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text')
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text')
      .addColumn('last_used_at', 'text')
      .addColumn('revoked_at', 'text')
      .addUniqueConstraint('tokens_name', ['user_id', 'name'])
      .execute();
    await database.schema
      .createTable('access_lock')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .execute();
    await (database as Kysely<{ accessLock: { id: number } }>)
      .insertInto('accessLock')
      .values({ id: 1 })
      .execute();
    await database.schema
      .createTable('audit_entries')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('user_id', 'text')
      .addColumn('user_name', 'text')
      .addColumn('token_name', 'text')
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('subject_kind', 'text')
      .addColumn('subject_id', 'text')
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('detail', 'text', (column) => column.notNull())
      .addColumn('remote_address', 'text')
      .execute();
    for (const columns of [['user_name'], ['action'], ['subject_id']]) {
      await database.schema
        .createIndex(`audit_entries_${columns[0]}`)
        .on('audit_entries')
        .columns([...columns, 'id'])
        .execute();
    }
  },
};

import { type CreateTableBuilder, type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Computers, what they are recognised by, their hardware and groups: see registry/tables.ts. */
export const createRegistry: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    const { schema } = database;
    await schema
      .createTable('hardware_configurations')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('title', 'text', (column) => column.notNull())
      .addColumn('known_id', 'text')
      .addColumn('description', 'text', (column) => column.notNull())
      .addColumn('first_seen', 'text', (column) => column.notNull())
      .execute();
    await schema
      .createTable('computers')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('name_key', 'text', (column) => column.notNull().unique())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('notes', 'text', (column) => column.notNull())
      .addColumn('manufacturer', 'text')
      .addColumn('product', 'text')
      .addColumn('hardware_id', 'text', (column) => column.references('hardware_configurations.id'))
      .addColumn('first_seen', 'text', (column) => column.notNull())
      .addColumn('last_seen', 'text', (column) => column.notNull())
      .addColumn('address', 'text')
      .addColumn('enrolment', 'text')
      .addColumn('via', 'text', (column) => column.notNull())
      .addColumn('registered_at', 'text')
      .addColumn('registered_by', 'text')
      .addColumn('search_hardware', 'text', (column) => column.notNull())
      .addColumn('search_words', 'text', (column) => column.notNull())
      .execute();
    await index(database, 'computers', ['state', 'name_key']);
    await index(database, 'computers', ['hardware_id']);
    await belongings(database, 'computer_traits', ['kind', 'value'])
      .addColumn('first_seen', 'text', (column) => column.notNull())
      .execute();
    await index(database, 'computer_traits', ['kind', 'value']);
    await schema
      .createTable('computer_inventories')
      .addColumn('computer_id', 'text', (column) =>
        column.primaryKey().references('computers.id').onDelete('cascade'),
      )
      .addColumn('inventory', 'text', (column) => column.notNull())
      .execute();
    await belongings(database, 'computer_doubts', ['candidate_id'])
      .addColumn('reasons', 'text', (column) => column.notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .addForeignKeyConstraint('computer_doubts_candidate', ['candidate_id'], 'computers', ['id'], (key) =>
        key.onDelete('cascade'),
      )
      .execute();
    await index(database, 'computer_doubts', ['candidate_id']);
    await schema
      .createTable('computer_differences')
      .addColumn('one_id', 'text', (column) =>
        column.notNull().references('computers.id').onDelete('cascade'),
      )
      .addColumn('other_id', 'text', (column) =>
        column.notNull().references('computers.id').onDelete('cascade'),
      )
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('computer_differences_pair', ['one_id', 'other_id'])
      .execute();
    await index(database, 'computer_differences', ['other_id']);
    await schema
      .createTable('computer_aliases')
      .addColumn('old_id', 'text', (column) => column.primaryKey())
      .addColumn('computer_id', 'text', (column) =>
        column.notNull().references('computers.id').onDelete('cascade'),
      )
      .addColumn('old_name', 'text', (column) => column.notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .execute();
    await index(database, 'computer_aliases', ['computer_id']);
    await schema
      .createTable('computer_history')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('computer_id', 'text', (column) =>
        column.notNull().references('computers.id').onDelete('cascade'),
      )
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('cause', 'text')
      .addColumn('from_state', 'text')
      .addColumn('to_state', 'text')
      .addColumn('message', 'text', (column) => column.notNull())
      .execute();
    await index(database, 'computer_history', ['computer_id', 'id']);
    await belongings(database, 'computer_tags', ['tag']).execute();
    await index(database, 'computer_tags', ['tag', 'computer_id']);
    await schema
      .createTable('computer_groups')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('name_key', 'text', (column) => column.notNull().unique())
      .execute();
    await belongings(database, 'computer_group_members', ['group_id'])
      .addForeignKeyConstraint(
        'computer_group_members_group',
        ['group_id'],
        'computer_groups',
        ['id'],
        (key) => key.onDelete('cascade'),
      )
      .execute();
    await index(database, 'computer_group_members', ['group_id', 'computer_id']);
    await schema
      .createTable('registration_rules')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('position', 'integer', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('enabled', 'integer', (column) => column.notNull())
      .addColumn('conditions', 'text', (column) => column.notNull())
      .addColumn('name_pattern', 'text', (column) => column.notNull())
      .addColumn('group_name', 'text')
      .execute();
    await schema
      .createTable('registry_lock')
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .execute();
    await sql`insert into registry_lock (id) values (1)`.execute(database);
  },
};

/** A table whose rows belong to a computer, are gone with it, and are known by it and these columns. */
function belongings(
  database: Kysely<unknown>,
  table: string,
  keys: readonly string[],
): CreateTableBuilder<string, string> {
  let builder: CreateTableBuilder<string, string> = database.schema
    .createTable(table)
    .addColumn('computer_id', 'text', (column) =>
      column.notNull().references('computers.id').onDelete('cascade'),
    );
  for (const key of keys) builder = builder.addColumn(key, 'text', (column) => column.notNull());
  return builder.addPrimaryKeyConstraint(`${table}_key`, ['computer_id', ...keys]);
}

async function index(database: Kysely<unknown>, table: string, columns: readonly string[]): Promise<void> {
  await database.schema
    .createIndex(`${table}_by_${columns.join('_')}`)
    .on(table)
    .columns(columns as never[])
    .execute();
}

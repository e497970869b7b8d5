import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The catalog of images: see catalog/tables.ts. */
export const createCatalog: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    const { schema } = database;
    await schema
      .createTable('image_locations')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('folder', 'text', (column) => column.notNull().unique())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute();
    await schema
      .createTable('image_location_views')
      .addColumn('location_id', 'text', (column) =>
        column.notNull().references('image_locations.id').onDelete('cascade'),
      )
      .addColumn('server', 'text', (column) => column.notNull())
      .addColumn('available', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_location_views_key', ['location_id', 'server'])
      .execute();
    await schema
      .createTable('image_names')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('last_version', 'integer', (column) => column.notNull())
      .execute();
    await schema
      .createTable('images')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('arrival', 'text', (column) => column.notNull())
      .addColumn('worked_by', 'text')
      .addColumn('location_id', 'text', (column) => column.notNull().references('image_locations.id'))
      .addColumn('file', 'text', (column) => column.notNull())
      .addColumn('format', 'text', (column) => column.notNull())
      .addColumn('virtual_size', 'bigint')
      .addColumn('allocated_size', 'bigint')
      .addColumn('file_size', 'bigint')
      .addColumn('sha256', 'text')
      .addColumn('sector_size', 'integer')
      .addColumn('origin_kind', 'text', (column) => column.notNull())
      .addColumn('origin_computer', 'text')
      .addColumn('origin_disk', 'text')
      .addColumn('origin_job', 'text')
      .addColumn('origin_path', 'text')
      .addColumn('notes', 'text', (column) => column.notNull())
      .addColumn('search_text', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('ready_at', 'text')
      .addColumn('checked_at', 'text')
      .addColumn('used_at', 'text')
      .addColumn('problem', 'text')
      .addUniqueConstraint('images_name_version', ['name', 'version'])
      .addUniqueConstraint('images_location_file', ['location_id', 'file'])
      .execute();
    for (const column of ['state', 'origin_computer', 'origin_job']) {
      await schema.createIndex(`images_${column}`).on('images').columns([column, 'id']).execute();
    }
    await schema
      .createTable('image_tags')
      .addColumn('image_id', 'text', (column) => column.notNull().references('images.id').onDelete('cascade'))
      .addColumn('tag', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_tags_key', ['image_id', 'tag'])
      .execute();
    await schema.createIndex('image_tags_tag').on('image_tags').columns(['tag', 'image_id']).execute();
    // No cascade: an image that is held cannot go.
    await schema
      .createTable('image_holds')
      .addColumn('image_id', 'text', (column) => column.notNull().references('images.id'))
      .addColumn('holder_kind', 'text', (column) => column.notNull())
      .addColumn('holder_id', 'text', (column) => column.notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_holds_key', ['image_id', 'holder_kind', 'holder_id'])
      .execute();
    await schema
      .createIndex('image_holds_holder')
      .on('image_holds')
      .columns(['holder_kind', 'holder_id'])
      .execute();
  },
};

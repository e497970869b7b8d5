import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Running jobs have numbered places on their link, so that no two servers can give away the last one: see jobs/job-store.ts. */
export const createLinkPlaces: Migration = {
  async up({ schema }: Kysely<unknown>): Promise<void> {
    await schema.alterTable('jobs').addColumn('link_place', 'integer').execute();
    await schema
      .createIndex('jobs_running_link')
      .on('jobs')
      .columns(['link', 'link_place'])
      .unique()
      .where('state' as never, '=', 'running')
      .execute();
  },
};

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openDatabase } from '../database/database.ts';
import { type PostgresServer, startPostgres } from '../database/testing/postgres-server.ts';
import { EventLog } from '../events/event-log.ts';
import { Registry } from './registry.ts';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';

describe('two servers on one PostgreSQL', () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.destroy());

  test('make one computer of a machine that shows itself to both at the same moment', async (t) => {
    const url = await server.createDatabase();
    const databases = await Promise.all([openDatabase(url), openDatabase(url)]);
    t.after(() => Promise.all(databases.map((database) => database.destroy())));
    const registries = await Promise.all(
      databases.map((database) => Registry.open(database, new EventLog(database))),
    );
    const see = (registry: Registry, computer: MadeUpComputer): ReturnType<Registry['seen']> =>
      registry.seen({ inventory: inventoryOf(computer), via: 'control' });
    for (let n = 1; n <= 20; n++) {
      const seen = await Promise.all(
        registries.flatMap((registry) => [see(registry, office(n)), see(registry, office(n))]),
      );
      assert.equal(new Set(seen.map(({ computer }) => computer.id)).size, 1);
      assert.equal(seen.filter(({ outcome }) => outcome === 'new').length, 1);
    }
    // A machine and its clone.
    const virtual = (card: number): MadeUpComputer => ({
      uuid: '6f1d2c3b-4a59-4e68-9f70-8192a3b4c5d6',
      nics: [{ mac: `52:54:00:aa:00:0${card}` }],
    });
    const pair = await Promise.all(registries.map((registry, index) => see(registry, virtual(index))));
    assert.deepEqual(pair.map(({ outcome }) => outcome).toSorted(), ['doubtful', 'new']);
    assert.equal((await registries[0]!.list()).total, 22);
    const events = await new EventLog(databases[0]).list({ kind: 'computer.unknown' });
    assert.equal(events.length, 21);
    // Known hardware was written down by both when they started.
    const known = (await registries[0]!.hardware()).map(({ hash }) => hash);
    assert.equal(new Set(known).size, known.length);
  });

  test('give a name to one of two computers only', async (t) => {
    const url = await server.createDatabase();
    const databases = await Promise.all([openDatabase(url), openDatabase(url)]);
    t.after(() => Promise.all(databases.map((database) => database.destroy())));
    const [one, other] = (await Promise.all(
      databases.map((database) => Registry.open(database, new EventLog(database))),
    )) as [Registry, Registry];
    for (const [index, registry] of [one, other].entries()) {
      await registry.seen({ inventory: inventoryOf(office(index + 1)), via: 'control' });
    }
    const results = await Promise.allSettled([
      one.register('SVC000001', { name: 'lab' }, 'user anna'),
      other.register('SVC000002', { name: 'LAB' }, 'user bert'),
    ]);
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    assert.deepEqual(
      reasons.map(({ code }: { code: string }) => code),
      ['COMPUTER_NAME_TAKEN'],
    );
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openDatabase } from '../database/database.ts';
import { type PostgresServer, startPostgres } from '../database/testing/postgres-server.ts';
import { EventLog } from '../events/event-log.ts';
import { Registry } from './registry.ts';
import { inventoryOf, type MadeUpComputer, office } from './testing/inventories.ts';

/** Of each of four workers. */
const OPERATIONS = 80;
const REFUSALS = [
  'COMPUTER_MISSING',
  'COMPUTER_NAME_TAKEN',
  'COMPUTER_DOUBTFUL',
  'COMPUTER_REGISTERED',
  'COMPUTER_SAME',
  'STATE_NOT_ALLOWED',
];
const ANNA = 'user anna';

/** A whole number below the bound. */
type Random = (bound: number) => number;
type Operation = (registry: Registry, random: Random) => Promise<unknown>;

const see: Operation = (registry, random) => {
  // Few machines, some with the UUID or the disk of another one.
  const { uuid } = office(random(3));
  const { disks } = office(random(6));
  const machine = {
    ...office(random(6)),
    ...(random(3) === 0 ? { uuid: uuid! } : {}),
    ...(random(3) === 0 ? { disks: disks! } : {}),
  };
  return registry.seen({ inventory: inventoryOf(machine), via: 'control' });
};

async function anyOne(registry: Registry, random: Random): Promise<string> {
  const { computers } = await registry.list();
  return computers[random(computers.length)]?.id ?? 'nobody';
}

const OPERATIONS_OF_ALL_KINDS: readonly Operation[] = [
  see,
  see,
  see,
  async (registry, random) =>
    registry.merge(await anyOne(registry, random), await anyOne(registry, random), ANNA),
  async (registry, random) =>
    registry.split(await anyOne(registry, random), await anyOne(registry, random), ANNA),
  async (registry, random) => registry.forget(await anyOne(registry, random), ANNA),
  async (registry, random) =>
    registry.register(await anyOne(registry, random), { name: `pc-${random(6)}` }, ANNA),
  async (registry, random) => registry.setTags(await anyOne(registry, random), [`tag ${random(3)}`]),
  async (registry, random) => {
    const cause =
      (['called', 'released', 'adopted', 'set-aside', 'withdrawn'] as const)[random(5)] ?? 'called';
    return registry.changeState(await anyOne(registry, random), { cause, actor: ANNA });
  },
];

/** The same numbers for the same seed (Park and Miller, 1988). */
function pseudoRandom(seed: number): Random {
  let state = seed;
  return (bound) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % bound;
  };
}

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
    const show = (registry: Registry, computer: MadeUpComputer): ReturnType<Registry['seen']> =>
      registry.seen({ inventory: inventoryOf(computer), via: 'control' });
    for (let n = 1; n <= 20; n++) {
      const seen = await Promise.all(
        registries.flatMap((registry) => [show(registry, office(n)), show(registry, office(n))]),
      );
      assert.equal(new Set(seen.map(({ computer }) => computer.id)).size, 1);
      assert.equal(seen.filter(({ outcome }) => outcome === 'new').length, 1);
    }
    // A machine and its clone.
    const virtual = (card: number): MadeUpComputer => ({
      uuid: '6f1d2c3b-4a59-4e68-9f70-8192a3b4c5d6',
      nics: [{ mac: `52:54:00:aa:00:0${card}` }],
    });
    const pair = await Promise.all(registries.map((registry, index) => show(registry, virtual(index))));
    assert.deepEqual(pair.map(({ outcome }) => outcome).toSorted(), ['doubtful', 'new']);
    assert.equal((await registries[0]!.list()).total, 22);
    const events = await new EventLog(databases[0]).list({ kind: 'computer.unknown' });
    assert.equal(events.length, 21);
    // Known hardware was written down by both when they started.
    const known = (await registries[0]!.hardware()).map(({ hash }) => hash);
    assert.equal(new Set(known).size, known.length);
  });

  test('do whatever they are asked at the same moment, or refuse it for a reason', async (t) => {
    const url = await server.createDatabase();
    const databases = await Promise.all([openDatabase(url), openDatabase(url)]);
    t.after(() => Promise.all(databases.map((database) => database.destroy())));
    const registries = await Promise.all(
      databases.map((database) => Registry.open(database, new EventLog(database))),
    );
    const random = pseudoRandom(42);
    const unexpected: unknown[] = [];
    const work = async (registry: Registry): Promise<void> => {
      for (let n = 0; n < OPERATIONS; n++) {
        const operation = OPERATIONS_OF_ALL_KINDS[random(OPERATIONS_OF_ALL_KINDS.length)];
        await operation?.(registry, random).catch((error: { code?: string }) => {
          if (!REFUSALS.includes(error.code ?? '')) unexpected.push(error);
        });
      }
    };
    await Promise.all([...registries, ...registries].map(work));
    assert.deepEqual(unexpected, []);
    const { computers, total } = await registries[0]!.list({ limit: 1000 });
    assert.equal(computers.length, total);
    for (const { id } of computers) assert.ok((await registries[1]!.get(id)).traits.length > 0);
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

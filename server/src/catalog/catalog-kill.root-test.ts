import '@diskferry/server-adapter/testing/own-sessions';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '@diskferry/server-adapter/testing/random-operations';
import { extendPath } from '@diskferry/system/tools';
import { type Database, openDatabase } from '../database/database.ts';
import { now } from '../database/rows.ts';
import { EventLog } from '../events/event-log.ts';
import { Catalog } from './catalog.ts';
import type { Location } from './locations.ts';
import { filesOf } from './testing/test-catalog.ts';

extendPath();

const WORKER = new URL('testing/catalog-worker.ts', import.meta.url).pathname;
/** DISKFERRY_KILL_SEED: other moments than those of the last run. */
const random = seededRandom(Number(process.env['DISKFERRY_KILL_SEED'] ?? 1));
const IMPORT_KILLS = 20;
const DELETE_KILLS = 12;
/** An import takes some tenths of a second, and they follow one upon the other. */
const IMPORT_SPAN_MS = 900;
/** As many images are deleted before the moment of the kill is over. */
const DELETED_IMAGES = 150;
const DELETE_SPAN_MS = 500;

interface Place {
  readonly url: string;
  readonly folder: string;
}

async function makePlace(t: TestContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-catalog-kill-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const place = { url: `sqlite:${join(folder, 'test.sqlite')}`, folder: join(folder, 'images') };
  mkdirSync(place.folder);
  writeFileSync(join(place.folder, 'source.raw'), randomBytes(2 * 1024 * 1024));
  await withCatalog(place, (catalog) => catalog.locations.add({ name: 'main', folder: place.folder }));
  return place;
}

async function withCatalog<T>(
  { url }: Place,
  work: (catalog: Catalog, database: Database) => Promise<T>,
): Promise<T> {
  const database = await openDatabase(url);
  try {
    return await work(
      new Catalog({ database, events: new EventLog(database), server: 'server-1' }),
      database,
    );
  } finally {
    await database.destroy();
  }
}

/** Lets a server work and kills it after some time. */
async function killAfter({ url }: Place, work: 'import' | 'delete', ms: number): Promise<void> {
  const child = spawn(process.execPath, [WORKER, url, work], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  try {
    const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer | number | null];
    assert.equal(String(line), 'begin\n');
    await sleep(ms);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** The catalog and the folder agree: what is listed is ready and as its checksum says, and there is no other file of ours. */
async function assertAgreement(place: Place, catalog: Catalog, own: ReadonlySet<string>): Promise<void> {
  const { images, next } = await catalog.list({ limit: 1000 });
  assert.equal(next, undefined);
  for (const image of images) {
    assert.equal(image.state, 'ready', image.file);
    assert.equal(createHash('sha256').update(readFileSync(image.path)).digest('hex'), image.sha256);
  }
  const listed = images.map(({ file }) => file);
  const owned = filesOf(place.folder).filter((file) => file.startsWith('own-'));
  assert.deepEqual(filesOf(place.folder), [...new Set([...listed, ...owned, 'source.raw'])].toSorted());
  for (const file of own) assert.ok(owned.includes(file), `${file} is gone`);
}

test('a server that is killed at any moment of an import leaves nothing that is not whole', async (t) => {
  const place = await makePlace(t);
  const own = new Set<string>();
  let broken = 0;
  for (let count = 0; count < IMPORT_KILLS; count++) {
    await killAfter(place, 'import', random() * IMPORT_SPAN_MS);
    // Files of somebody else that were there when the server was killed. One may have been on its way there.
    for (const file of readdirSync(place.folder).filter((name) => name.startsWith('own-'))) {
      if (file.endsWith('.new')) rmSync(join(place.folder, file));
      else own.add(file);
    }
    await withCatalog(place, async (catalog) => {
      const { images } = await catalog.list({ limit: 1000, states: ['ready'] });
      const { removed, waiting } = await catalog.recover();
      assert.deepEqual(waiting, []);
      if (removed.length > 0) broken++;
      await assertAgreement(place, catalog, own);
      // What was ready before the recovery is ready after it.
      for (const { id } of images) assert.equal((await catalog.get(id)).state, 'ready');
      assert.deepEqual((await catalog.recover()).removed, []);
    });
  }
  t.diagnostic(`${broken} of ${IMPORT_KILLS} kills broke an import off`);
  assert.ok(broken > IMPORT_KILLS / 4);
  await withCatalog(place, async (catalog) => {
    const { images } = await catalog.list({ limit: 1000 });
    for (const { id } of images) assert.equal((await catalog.check(id)).state, 'ready');
    assert.ok(images.length > 0);
  });
});

test('a server that is killed at any moment of a deletion leaves either image and file, or neither', async (t) => {
  const place = await makePlace(t);
  const location = await withCatalog(
    place,
    async (catalog) => (await catalog.locations.list())[0] as Location,
  );
  let deleted = 0;
  let halfDeleted = 0;
  for (let count = 0; count < DELETE_KILLS; count++) {
    await withCatalog(place, (_, database) => fill(database, location, count));
    await killAfter(place, 'delete', random() * DELETE_SPAN_MS);
    await withCatalog(place, async (catalog, database) => {
      const { images } = await catalog.list({ limit: 1000 });
      const half = images.filter(({ state }) => state === 'deleting');
      halfDeleted += half.length;
      const { removed, waiting } = await catalog.recover();
      assert.deepEqual(waiting, []);
      assert.deepEqual(
        removed.map(({ id }) => id),
        half.map(({ id }) => id),
      );
      await assertAgreement(place, catalog, new Set());
      // Every one that is gone is told of, once.
      const events = await new EventLog(database).list({ kind: 'image.deleted', limit: 100_000 });
      deleted += DELETED_IMAGES - (await catalog.list({ name: `round-${count}` })).total;
      assert.equal(events.length, deleted);
      await database.deleteFrom('images').execute();
      for (const file of filesOf(place.folder)) if (file !== 'source.raw') rmSync(join(place.folder, file));
    });
  }
  t.diagnostic(
    `${deleted} of ${DELETED_IMAGES * DELETE_KILLS} images were deleted, ${halfDeleted} by the recovery`,
  );
  assert.ok(deleted > 0);
});

/** Images that are ready, without the time that it takes to import them. */
async function fill(database: Database, location: Location, round: number): Promise<void> {
  const content = Buffer.alloc(512, round);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const rows = Array.from({ length: DELETED_IMAGES }, (_, index) => ({
    id: `image-${round}-${String(index).padStart(4, '0')}`,
    name: `round-${round}`,
    version: index + 1,
    state: 'ready' as const,
    arrival: index % 2 === 0 ? ('made' as const) : ('adopted' as const),
    workedBy: null,
    locationId: location.id,
    file: `round-${round}-${index}.raw`,
    format: 'raw' as const,
    virtualSize: 512,
    allocatedSize: 512,
    fileSize: 512,
    sha256,
    sectorSize: 512,
    originKind: 'capture',
    originComputer: null,
    originDisk: null,
    originJob: null,
    originPath: null,
    notes: '',
    searchText: '',
    createdAt: now(),
    readyAt: now(),
    checkedAt: now(),
    usedAt: null,
    problem: null,
  }));
  for (const { file } of rows) writeFileSync(join(location.folder, file), content);
  await database.insertInto('images').values(rows).execute();
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '../database/database.ts';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { searchTextOf } from './image-words.ts';
import type { ImagePage, ImageWishes } from './image-list.ts';
import type { ImageRow, ImageState } from './tables.ts';
import { openTestCatalog } from './testing/test-catalog.ts';

const COUNT = 10_000;
/** Rows that are written at once: SQLite takes 32,766 values in a statement. */
const BATCH = 500;
const STATES: readonly ImageState[] = ['ready', 'ready', 'ready', 'damaged', 'importing'];

function rowOf(index: number, locationId: string): ImageRow {
  const name = `image-${index % 1000}`;
  const notes = index % 777 === 0 ? 'Made for the Accounting_100% office' : `notes ${index}`;
  const id = `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`;
  return {
    id,
    name,
    version: Math.floor(index / 1000) + 1,
    state: STATES[index % STATES.length] ?? 'ready',
    arrival: 'made',
    workedBy: null,
    locationId,
    file: `${id}.qcow2`,
    format: 'qcow2',
    virtualSize: 2 ** 40 + index,
    allocatedSize: index,
    fileSize: index,
    sha256: String(index),
    sectorSize: 512,
    originKind: 'capture',
    originComputer: `computer-${index % 500}`,
    originDisk: 'sda',
    originJob: `job-${index}`,
    originPath: null,
    notes,
    searchText: searchTextOf(name, notes, tagsOf(index)),
    createdAt: '2030-01-01T00:00:00.000Z',
    readyAt: null,
    checkedAt: null,
    usedAt: null,
    problem: null,
  };
}

function tagsOf(index: number): string[] {
  return [`site-${index % 20}`, ...(index % 100 === 0 ? ['golden'] : [])];
}

async function fill(database: Database, locationId: string, count: number): Promise<void> {
  for (let start = 0; start < count; start += BATCH) {
    const indexes = Array.from({ length: Math.min(BATCH, count - start) }, (_, offset) => start + offset);
    const rows = indexes.map((index) => rowOf(index, locationId));
    await database.insertInto('images').values(rows).execute();
    const tags = rows.flatMap(({ id }, offset) =>
      tagsOf(start + offset).map((tag) => ({ imageId: id, tag })),
    );
    await database.insertInto('imageTags').values(tags).execute();
  }
}

describeOnEachDatabase('the list of images', (open) => {
  test('of 10,000 is searched and read page by page', async (t) => {
    const database = await open(t);
    const { catalog, location } = await openTestCatalog(t, database);
    await fill(database, location.id, COUNT);
    const times: number[] = [];
    const list = async (wishes: ImageWishes): Promise<ImagePage> => {
      const start = performance.now();
      const page = await catalog.list(wishes);
      times.push(performance.now() - start);
      return page;
    };
    const total = async (wishes: ImageWishes): Promise<number> => (await list(wishes)).total;

    assert.equal(await total({}), COUNT);
    assert.equal(await total({ name: 'image-7' }), 10);
    assert.equal(await total({ tags: ['site-3'] }), COUNT / 20);
    assert.equal(await total({ tags: ['site-0', 'golden'] }), COUNT / 100);
    assert.equal(await total({ states: ['damaged', 'importing'] }), (COUNT / 5) * 2);
    assert.equal(await total({ computer: 'computer-4' }), COUNT / 500);
    assert.equal(await total({ job: 'job-4' }), 1);
    assert.equal(await total({ locationId: location.id, text: 'ACCOUNTING golden' }), 1);
    assert.equal(await total({ text: 'accounting_100%' }), Math.ceil(COUNT / 777));
    // What LIKE knows is no sign of ours: these are nowhere.
    for (const text of ['account_ng', 'acc%ing', 'a!b', 'accounting\\_'])
      assert.equal(await total({ text }), 0, text);
    for (const text of ["'", '"; drop table images', '\0', '\ud800', '']) await total({ text });
    assert.equal(await total({ locationId: 'nothing' }), 0);
    assert.equal(await total({ states: [] }), 0);

    const first = await list({ limit: 3 });
    assert.deepEqual(
      first.images.map(({ origin }) => origin.job),
      ['job-9999', 'job-9998', 'job-9997'],
    );
    assert.deepEqual(first.images[0]?.tags, ['site-19']);
    assert.equal(first.images[0]?.virtualSize, 2 ** 40 + 9999);
    const byName = await list({ order: 'name', limit: 11 });
    assert.deepEqual(
      byName.images.map(({ name, version }) => `${name}:${version}`),
      [...Array.from({ length: 10 }, (_, index) => `image-0:${10 - index}`), 'image-1:10'],
    );
    for (const order of ['newest', 'name'] as const) {
      const seen = new Set<string>();
      let after: string | undefined;
      do {
        const page: ImagePage = await list({ order, after, tags: ['golden'], limit: 33 });
        for (const { id } of page.images) seen.add(id);
        assert.equal(page.total, COUNT / 100);
        after = page.next;
      } while (after !== undefined);
      assert.equal(seen.size, COUNT / 100, order);
    }
    await assert.rejects(list({ order: 'name', after: 'x' }), { code: 'USAGE' });
    for (let count = 0; count < 20; count++) {
      await list({ text: `notes 12${count}`, states: ['ready'], order: 'name' });
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (part: number): string => (sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1);
    t.diagnostic(`${times.length} queries: median ${at(0.5)} ms, p95 ${at(0.95)} ms`);
  });

  test('knows what is meant by a name, and by a name and version', async (t) => {
    const database = await open(t);
    const { catalog, location } = await openTestCatalog(t, database);
    await fill(database, location.id, COUNT / 5);
    assert.equal((await catalog.find('image-0')).version, 2);
    assert.equal((await catalog.find('image-0:1')).version, 1);
    assert.equal((await catalog.find('image-4:1')).state, 'importing');
    for (const title of ['image-4', 'image-0:3', 'nothing', '', ':1', 'image-0:x', 'image-0:1:1', 'a\0']) {
      await assert.rejects(catalog.find(title), { code: 'IMAGE_UNKNOWN' }, title);
    }
  });
});

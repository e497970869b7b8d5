import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Image } from '../catalog/image.ts';
import { startTestApi, type TestApi } from './testing/test-api.ts';

const MIB = 1024 * 1024;

interface Place extends TestApi {
  /** The folder of the location. */
  readonly folder: string;
  readonly locationId: string;
  /** Makes an image of a file of zeros. */
  readonly addImage: (name: string) => Promise<Image>;
}

async function placeWithLocation(t: TestContext): Promise<Place> {
  const api = await startTestApi(t);
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-images-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { status, json } = await api.ask('POST', '/api/v1/locations', { body: { name: 'here', folder } });
  assert.deepEqual([status, json.available], [201, true]);
  const { catalog } = api.services;
  return {
    ...api,
    folder,
    locationId: json.id,
    addImage: async (name) => {
      const origin = { kind: 'test' };
      const image = await catalog.reserve({ name, locationId: json.id, format: 'raw', origin });
      await writeFile(image.path, '');
      await truncate(image.path, MIB);
      return catalog.finish(image.id);
    },
  };
}

test('an image that is held is neither deleted nor forgotten, and its holders are named', async (t) => {
  const { ask, services, addImage } = await placeWithLocation(t);
  const { id, path } = await addImage('web');
  assert.deepEqual((await ask('GET', `/api/v1/images/${id}/holders`)).json, []);
  const holder = { kind: 'job', id: 'j1' };
  await services.catalog.hold(id, holder);
  assert.deepEqual((await ask('GET', `/api/v1/images/${id}/holders`)).json, [holder]);
  for (const [method, route] of [
    ['DELETE', `/api/v1/images/${id}`],
    ['POST', `/api/v1/images/${id}/forget`],
  ] as const) {
    const { status, json } = await ask(method, route);
    assert.deepEqual([status, json.code], [409, 'IMAGE_IN_USE']);
    assert.match(json.message, /job j1/);
  }
  await services.catalog.release(holder);
  assert.equal((await ask('POST', `/api/v1/images/${id}/forget`)).status, 204);
  assert.equal((await ask('GET', `/api/v1/images/${id}`)).json.code, 'IMAGE_UNKNOWN');
  assert.ok(existsSync(path), 'the file of an image that was forgotten stays');
  const { id: second, path: secondPath } = await addImage('web');
  assert.equal((await ask('DELETE', `/api/v1/images/${second}`)).status, 204);
  assert.ok(!existsSync(secondPath));
  assert.equal((await ask('GET', `/api/v1/images/${second}/holders`)).json.code, 'IMAGE_UNKNOWN');
});

test('one version or all of them are called otherwise; a name that is taken is refused', async (t) => {
  const { ask, addImage } = await placeWithLocation(t);
  const [first] = [await addImage('web'), await addImage('web'), await addImage('mail')];
  const change = { name: 'mail', version: 7, notes: 'with Postfix', tags: ['lab'] };
  const { json: changed } = await ask('PATCH', `/api/v1/images/${first.id}`, { body: change });
  assert.deepEqual(
    [changed.name, changed.version, changed.notes, changed.tags],
    ['mail', 7, 'with Postfix', ['lab']],
  );
  const { json: again } = await ask('PATCH', `/api/v1/images/${first.id}`, { body: { version: 8 } });
  assert.deepEqual([again.name, again.version], ['mail', 8]);
  const taken = await ask('PATCH', `/api/v1/images/${first.id}`, { body: { version: 1 } });
  assert.deepEqual([taken.status, taken.json.code], [409, 'IMAGE_EXISTS']);

  const rename = (from: string, to: string) => ask('POST', '/api/v1/images/rename', { body: { from, to } });
  assert.equal((await rename('mail', 'web')).json.code, 'IMAGE_EXISTS');
  assert.equal((await rename('nobody', 'other')).json.code, 'IMAGE_UNKNOWN');
  assert.equal((await rename('mail', '../etc')).status, 400);
  assert.equal((await rename('mail', 'post')).status, 204);
  const { json: page } = await ask('GET', '/api/v1/images?name=post');
  assert.deepEqual(new Set(page.images.map(({ version }: { version: number }) => version)), new Set([1, 8]));
});

test('a look tells whether a location is there, and raises an event when that has changed', async (t) => {
  const { ask, folder, locationId } = await placeWithLocation(t);
  const look = async () => (await ask('POST', `/api/v1/locations/${locationId}/look`)).json;
  const there = await look();
  assert.deepEqual([there.id, there.available], [locationId, true]);
  assert.ok(there.freeBytes > 0);
  renameSync(folder, `${folder}-away`);
  t.after(() => rmSync(`${folder}-away`, { recursive: true, force: true }));
  const gone = await look();
  assert.deepEqual([gone.available, gone.freeBytes], [false, undefined]);
  const { json: locations } = await ask('GET', '/api/v1/locations');
  assert.equal(locations[0].available, false);
  renameSync(`${folder}-away`, folder);
  assert.equal((await look()).available, true);
  const { json: events } = await ask('GET', '/api/v1/events');
  const kinds = events.map(({ kind }: { kind: string }) => kind);
  for (const kind of ['location.unavailable', 'location.available']) assert.ok(kinds.includes(kind), kind);
});

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type OpenEmpty, describeOnEachDatabase } from '../database/testing/each-database.ts';
import type { Image } from './image.ts';
import {
  filesOf,
  makeImage,
  openTestCatalog,
  type TestCatalog,
  unmountShare,
} from './testing/test-catalog.ts';

const JOB = { kind: 'job', id: 'j1' };

/** A catalog with one image, `web:1`, that was copied in. */
async function withImage(t: TestContext, open: OpenEmpty): Promise<TestCatalog & { readonly image: Image }> {
  const place = await openTestCatalog(t, await open(t));
  const file = await place.makeFile('source.raw', 'raw');
  const from = { locationId: place.location.id, file };
  const image = await place.catalog.import({ name: 'web', from, to: place.location.id });
  return { ...place, image };
}

function overwrite(path: string, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, 1024);
  closeSync(file);
}

describeOnEachDatabase('the check of an image', (open) => {
  test('finds a changed byte, raises one alert, and finds when it is right again', async (t) => {
    const { catalog, image, events } = await withImage(t, open);
    overwrite(image.path, 'X');
    assert.equal((await catalog.check(image.id, { quick: true })).state, 'ready');
    const damaged = await catalog.check(image.id);
    assert.equal(damaged.state, 'damaged');
    assert.match(damaged.problem ?? '', /another checksum/);
    assert.ok((damaged.checkedAt ?? '') > (image.checkedAt ?? ''));
    await catalog.check(image.id);
    const [alert, ...more] = await events.list({ kind: 'image.damaged' });
    assert.deepEqual(more, []);
    assert.deepEqual([alert?.severity, alert?.subject], ['alert', { kind: 'image', id: image.id }]);
    assert.match(alert?.message ?? '', /^The image web:1 is damaged: its file was changed/);
    await assert.rejects(catalog.hold(image.id, JOB), {
      code: 'IMAGE_STATE',
      message: /is damaged: its file/,
    });
    await assert.rejects(catalog.find('web'), { code: 'IMAGE_UNKNOWN' });
    // A look at its length alone does not make it ready.
    assert.equal((await catalog.check(image.id, { quick: true })).state, 'damaged');

    overwrite(image.path, 'd');
    await makeImage(image.path, 'raw');
    const restored = await catalog.check(image.id, { quick: true });
    assert.deepEqual([restored.state, restored.problem], ['ready', undefined]);
    assert.equal((await events.list({ kind: 'image.restored' })).length, 1);
  });

  test('finds a file that is gone, cut, or something else by now', async (t) => {
    const { catalog, image, folder, events } = await withImage(t, open);
    const aside = join(folder, 'aside');
    renameSync(image.path, aside);
    for (const quick of [true, false])
      assert.equal((await catalog.check(image.id, { quick })).state, 'missing');
    assert.equal((await events.list({ kind: 'image.missing' }))[0]?.severity, 'alert');
    writeFileSync(image.path, 'short');
    const cut = await catalog.check(image.id, { quick: true });
    assert.equal(cut.state, 'damaged');
    assert.match(cut.problem ?? '', /has 5 bytes, it had 8388608/);
    unlinkSync(image.path);
    symlinkSync(aside, image.path);
    const linked = await catalog.check(image.id);
    assert.equal(linked.state, 'damaged');
    assert.match(linked.problem ?? '', /symbolic link/);
    unlinkSync(image.path);
    renameSync(aside, image.path);
    assert.equal((await catalog.check(image.id)).state, 'ready');
  });

  test('is made shortly when somebody takes hold of it', async (t) => {
    const { catalog, image, events } = await withImage(t, open);
    unlinkSync(image.path);
    await assert.rejects(catalog.hold(image.id, JOB), {
      code: 'IMAGE_STATE',
      message: /web:1 is missing: there is no file/,
    });
    assert.deepEqual(await catalog.holders(image.id), []);
    assert.equal((await events.list({ kind: 'image.missing' }))[0]?.severity, 'alert');
  });

  test('that is broken off says nothing of the image', async (t) => {
    const { catalog, image } = await withImage(t, open);
    overwrite(image.path, 'X');
    const abort = new AbortController();
    const reason = new Error('no more');
    const onProgress = (): void => abort.abort(reason);
    await assert.rejects(catalog.check(image.id, { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(catalog.check(image.id, { signal: abort.signal, onProgress }), reason);
    assert.equal((await catalog.get(image.id)).state, 'ready');
  });

  test('during which the image is deleted does not bring it back', async (t) => {
    const { catalog, image, files } = await withImage(t, open);
    const checked = catalog.check(image.id, { onProgress: () => undefined });
    await Promise.allSettled([checked, catalog.delete(image.id)]);
    await assert.rejects(catalog.get(image.id), { code: 'IMAGE_UNKNOWN' });
    assert.deepEqual(files(), ['source.raw']);
  });
});

describeOnEachDatabase('a look at everything', (open) => {
  test('finds what is missing, and sets right what waited', async (t) => {
    const { catalog, image, location, mountShare, otherServer, events, files } = await withImage(t, open);
    const share = await catalog.locations.add({
      name: 'share',
      folder: await mountShare('share', 'size=32m'),
    });
    const from = { locationId: location.id, file: 'source.raw' };
    const far = await catalog.import({ name: 'far', from, to: share.id });
    const origin = { kind: 'capture' };
    const half = await catalog.reserve({ name: 'half', locationId: location.id, format: 'raw', origin });
    writeFileSync(half.path, 'x');
    unlinkSync(image.path);
    await unmountShare(share.folder);
    const restarted = otherServer('server-1');
    for (let count = 0; count < 2; count++) await restarted.look();
    assert.deepEqual(
      [(await catalog.get(image.id)).state, (await catalog.get(far.id)).state],
      ['missing', 'ready'],
    );
    const alerts = (await events.list()).filter(({ severity }) => severity === 'alert');
    assert.deepEqual(alerts.map(({ kind }) => kind).toSorted(), ['image.missing', 'location.unavailable']);
    await assert.rejects(catalog.get(half.id), { code: 'IMAGE_UNKNOWN' });
    assert.deepEqual(files(), ['source.raw']);
    await catalog.delete(image.id);
    const { id } = await catalog.import({ name: 'more', from, to: location.id });
    await assert.rejects(restarted.look(AbortSignal.abort(new Error('no more'))), /no more/);
    assert.equal((await catalog.get(id)).state, 'ready');
  });
});

describeOnEachDatabase('the deletion of an image', (open) => {
  test('removes its file, and is told', async (t) => {
    const { catalog, image, files, events, database } = await withImage(t, open);
    await catalog.describe(image.id, { tags: ['a', 'b'] });
    await catalog.delete(image.id);
    assert.deepEqual(files(), ['source.raw']);
    await assert.rejects(catalog.get(image.id), { code: 'IMAGE_UNKNOWN' });
    await assert.rejects(catalog.delete(image.id), { code: 'IMAGE_UNKNOWN' });
    assert.deepEqual(await database.selectFrom('imageTags').selectAll().execute(), []);
    const [event] = await events.list({ kind: 'image.deleted' });
    assert.equal(event?.subject?.id, image.id);
  });

  test('is refused while somebody holds it, with who does', async (t) => {
    const { catalog, image } = await withImage(t, open);
    const held = await catalog.hold(image.id, JOB);
    assert.equal(held.path, image.path);
    await catalog.hold(image.id, JOB);
    await catalog.hold(image.id, { kind: 'job', id: 'j2' });
    await catalog.hold(image.id, { kind: 'machine', id: 'm1' });
    const inUse = { code: 'IMAGE_IN_USE', message: /web:1 is in use by job j1, job j2, machine m1; wait/ };
    await assert.rejects(catalog.delete(image.id), inUse);
    await assert.rejects(catalog.forget(image.id), inUse);
    assert.equal((await catalog.get(image.id)).state, 'ready');
    await catalog.release(JOB, image.id);
    await catalog.release({ kind: 'job', id: 'j2' });
    await catalog.release({ kind: 'machine', id: 'm2' });
    assert.deepEqual(await catalog.holders(image.id), [{ kind: 'machine', id: 'm1' }]);
    await assert.rejects(catalog.delete(image.id), { code: 'IMAGE_IN_USE' });
    await catalog.release({ kind: 'machine', id: 'm1' });
    await catalog.delete(image.id);
    await assert.rejects(catalog.hold(image.id, JOB), { code: 'IMAGE_UNKNOWN' });
  });

  test('at the moment at which somebody takes hold of it: one of the two is refused', async (t) => {
    const { catalog, location, otherServer } = await withImage(t, open);
    const from = { locationId: location.id, file: 'source.raw' };
    for (let count = 0; count < 8; count++) {
      const { id, path } = await catalog.import({ name: 'x', from, to: location.id });
      const [deleted, held] = await Promise.allSettled([
        catalog.delete(id),
        otherServer('server-2').hold(id, JOB),
      ]);
      assert.notEqual(deleted.status, held.status);
      assert.equal(existsSync(path), held.status === 'fulfilled');
    }
  });

  test('also removes one that is missing, damaged, or was there before', async (t) => {
    const { catalog, image, location, makeFile, files } = await withImage(t, open);
    unlinkSync(image.path);
    await catalog.check(image.id);
    await catalog.delete(image.id);
    const file = await makeFile('own.qcow2');
    const own = await catalog.import({ name: 'own', from: { locationId: location.id, file } });
    await catalog.delete(own.id);
    assert.deepEqual(files(), ['source.raw']);
  });

  test('can be of the entry alone, also where its location is gone', async (t) => {
    const { catalog, location, makeFile, mountShare, events } = await openTestCatalog(t, await open(t));
    const share = await catalog.locations.add({
      name: 'share',
      folder: await mountShare('share', 'size=32m'),
    });
    const from = { locationId: location.id, file: await makeFile('a.raw', 'raw') };
    const kept = await catalog.import({ name: 'a', from, to: share.id });
    const lost = await catalog.import({ name: 'a', from, to: share.id });
    await catalog.forget(kept.id);
    assert.ok(existsSync(kept.path));
    await unmountShare(share.folder);
    await catalog.forget(lost.id);
    assert.equal((await catalog.list()).total, 0);
    assert.equal((await events.list({ kind: 'image.forgotten' })).length, 2);
    assert.deepEqual(filesOf(share.folder), []);
  });
});

describeOnEachDatabase('names, notes and tags', (open) => {
  test('are changed, and found as they are then', async (t) => {
    const { catalog, image, events } = await withImage(t, open);
    const described = await catalog.describe(image.id, { notes: 'For the BÜRO', tags: ['b', 'a'] });
    assert.deepEqual([described.notes, described.tags], ['For the BÜRO', ['a', 'b']]);
    assert.deepEqual((await catalog.describe(image.id, { tags: ['c'] })).notes, 'For the BÜRO');
    assert.equal((await catalog.list({ text: 'büro WEB c' })).total, 1);
    assert.equal((await catalog.list({ tags: ['a'] })).total, 0);
    const renamed = await catalog.rename(image.id, { name: 'mail' });
    assert.deepEqual([renamed.name, renamed.version, renamed.path], ['mail', 1, image.path]);
    assert.equal((await catalog.list({ text: 'web' })).total, 0);
    assert.equal((await catalog.list({ text: 'mail büro' })).total, 1);
    assert.equal((await catalog.rename(image.id, { name: 'mail', version: 9 })).version, 9);
    assert.equal((await catalog.rename(image.id, { name: 'mail' })).version, 9);
    assert.equal((await catalog.check(image.id)).state, 'ready');
    assert.equal((await events.list({ kind: 'image.changed' })).length, 5);
    await assert.rejects(catalog.describe(image.id, { notes: 'a\0' }), { code: 'USAGE' });
    await assert.rejects(catalog.describe(image.id, { tags: ['a b'] }), { code: 'USAGE' });
    await assert.rejects(catalog.rename(image.id, { name: '../x' }), { code: 'USAGE' });
    await assert.rejects(catalog.describe('nothing', { notes: '' }), { code: 'IMAGE_UNKNOWN' });
    await assert.rejects(catalog.rename('nothing', { name: 'x' }), { code: 'IMAGE_UNKNOWN' });
  });

  test('one name and version is had by one image, whoever is faster', async (t) => {
    const { catalog, image, location, otherServer } = await withImage(t, open);
    const from = { locationId: location.id, file: 'source.raw' };
    const others: Image[] = [];
    for (const name of ['a', 'b', 'c']) others.push(await catalog.import({ name, from, to: location.id }));
    await assert.rejects(catalog.rename(image.id, { name: 'a', version: 1 }), { code: 'IMAGE_EXISTS' });
    const results = await Promise.allSettled(
      others.map(({ id }, index) => otherServer(`server-${index}`).rename(id, { name: 'web', version: 2 })),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    const versions = await Promise.all(others.map(({ id }) => catalog.rename(id, { name: 'web' })));
    assert.deepEqual(new Set(versions.map(({ version }) => version)), new Set([2, 3, 4]));
  });

  test('all versions of a name get another one together', async (t) => {
    const { catalog, image, location } = await withImage(t, open);
    const from = { locationId: location.id, file: 'source.raw' };
    const second = await catalog.import({ name: 'web', from, to: location.id });
    await catalog.import({ name: 'mail', from, to: location.id });
    for (const [before, after] of [
      ['web', 'mail'],
      ['mail', 'web'],
      ['web', 'web'],
    ] as const) {
      await assert.rejects(catalog.renameAll(before, after), { code: 'IMAGE_EXISTS' });
    }
    await assert.rejects(catalog.renameAll('nobody', 'new'), { code: 'IMAGE_UNKNOWN' });
    await catalog.renameAll('web', 'www');
    assert.equal((await catalog.find('www')).id, second.id);
    assert.equal((await catalog.find('www:1')).id, image.id);
    assert.equal((await catalog.import({ name: 'www', from, to: location.id })).version, 3);
    assert.equal((await catalog.import({ name: 'web', from, to: location.id })).version, 3);
    assert.equal((await catalog.list({ text: 'www' })).total, 3);
  });
});

describeOnEachDatabase('a start after a crash', (open) => {
  const origin = { kind: 'capture', job: 'j1' };

  test('removes what was half-made by this server, and nothing else', async (t) => {
    const { catalog, image, location, files, otherServer, events } = await withImage(t, open);
    const wishes = { name: 'new', locationId: location.id, format: 'raw', origin } as const;
    const [mine, kept, theirs] = [
      await catalog.reserve(wishes),
      await catalog.reserve(wishes),
      await otherServer('server-2').reserve(wishes),
    ];
    for (const { path } of [mine, kept, theirs]) writeFileSync(path, 'half');
    writeFileSync(join(location.folder, `.${mine.file}.capture-7-abc.partial`), 'half');
    // In the process that is at work, none of it is the remains of a crash.
    assert.deepEqual(await catalog.recover(), { removed: [], waiting: [] });

    const restarted = otherServer('server-1');
    const { removed, waiting } = await restarted.recover({ keep: [kept.id] });
    assert.deepEqual([removed.map(({ id }) => id), waiting], [[mine.id], []]);
    assert.deepEqual(files(), [kept.file, theirs.file, image.file, 'source.raw'].toSorted());
    const [event] = await events.list({ kind: 'image.abandoned' });
    assert.deepEqual([event?.severity, event?.subject?.id], ['warning', mine.id]);
    assert.match(event?.message ?? '', /new:1 came to nothing: the server ended/);
    assert.equal((await restarted.recover({ servers: ['server-2'] })).removed.length, 1);
    await makeImage(kept.path, 'raw');
    assert.deepEqual(await restarted.recover(), { removed: [], waiting: [] });
    assert.equal((await restarted.finish(kept.id)).state, 'ready');
  });

  test('ends a deletion that had begun, and leaves a file that was there before its import', async (t) => {
    const { catalog, image, location, makeFile, files, database, otherServer } = await withImage(t, open);
    const file = await makeFile('own.raw', 'raw');
    const own = await catalog.import({ name: 'own', from: { locationId: location.id, file } });
    const remains = (id: string, state: 'deleting' | 'importing') =>
      database.updateTable('images').set({ state, workedBy: 'server-1' }).where('id', '=', id).execute();
    await remains(image.id, 'deleting');
    await remains(own.id, 'importing');
    const { removed } = await otherServer('server-1').recover();
    assert.deepEqual(new Set(removed.map(({ id }) => id)), new Set([image.id, own.id]));
    assert.deepEqual(files(), ['own.raw', 'source.raw']);
    assert.equal((await catalog.list()).total, 0);
  });

  test('waits for a share, and then does it', async (t) => {
    const { catalog, mountShare, otherServer, eventKinds } = await openTestCatalog(t, await open(t));
    const share = await catalog.locations.add({ name: 'share', folder: await mountShare('share') });
    const wishes = { name: 'new', locationId: share.id, format: 'raw', origin } as const;
    const { id } = await catalog.reserve(wishes);
    await unmountShare(share.folder);
    const restarted = otherServer('server-1');
    for (let count = 0; count < 2; count++) {
      const { removed, waiting } = await restarted.recover();
      assert.deepEqual([removed.length, waiting.length, waiting[0]?.image.id], [0, 1, id]);
      assert.match(waiting[0]?.why ?? '', /mount its share/);
    }
    assert.equal((await catalog.get(id)).state, 'deleting');
    await mountShare('share');
    writeFileSync(join(share.folder, '.diskferry-location'), JSON.stringify({ location: share.id }));
    assert.equal((await restarted.recover()).removed.length, 1);
    assert.equal((await eventKinds()).at(-1), 'image.abandoned');
  });
});

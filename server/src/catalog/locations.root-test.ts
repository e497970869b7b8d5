import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { filesOf, makeImage, openTestCatalog, unmountShare } from './testing/test-catalog.ts';

describeOnEachDatabase('locations', (open) => {
  test('a location is a folder that is there, and is told by name', async (t) => {
    const { catalog, folder, location, eventKinds } = await openTestCatalog(t, await open(t));
    mkdirSync(join(folder, 'archive'));
    const archive = await catalog.locations.add({ name: 'archive', folder: `${folder}//archive/` });
    assert.equal(archive.folder, join(folder, 'archive'));
    assert.deepEqual(await catalog.locations.list(), [archive, location]);
    assert.deepEqual(await catalog.locations.get(archive.id), archive);
    assert.deepEqual(filesOf(archive.folder), []);
    const looked = await catalog.locations.look(archive.id);
    assert.ok(looked.available && (looked.freeBytes ?? 0) > 0);
    await catalog.locations.remove(archive.id);
    assert.deepEqual(await catalog.locations.list(), [location]);
    await catalog.locations.add({ name: 'archive', folder: archive.folder });
    assert.deepEqual(await eventKinds(), ['location.added', 'location.added', 'location.added']);
    await assert.rejects(catalog.locations.get('x'), { code: 'LOCATION_MISSING' });
  });

  test('folders that cannot be, and those that are taken, are refused', async (t) => {
    const { catalog, folder, location } = await openTestCatalog(t, await open(t));
    const add = (name: string, path: string) => catalog.locations.add({ name, folder: path });
    writeFileSync(join(folder, 'file'), '');
    for (const path of ['images', './images', '', '/', '//', '/srv/a\0b', '/srv/..']) {
      await assert.rejects(add('x', path), { code: 'USAGE' }, path);
    }
    await assert.rejects(add('a/b', folder), { code: 'USAGE' });
    for (const path of [join(folder, 'nothing'), join(folder, 'file'), '/proc/1']) {
      await assert.rejects(add('x', path), { code: 'LOCATION_UNUSABLE', message: /make the folder/ }, path);
    }
    mkdirSync(join(location.folder, 'inner'));
    mkdirSync(join(folder, 'other'));
    for (const path of [location.folder, folder, join(location.folder, 'inner')]) {
      await assert.rejects(add('x', path), { code: 'LOCATION_EXISTS' }, path);
    }
    await assert.rejects(add('main', join(folder, 'other')), { code: 'LOCATION_EXISTS' });
    assert.equal(existsSync(join(folder, 'other/.diskferry-location')), false);
    // Neighbours whose names begin alike are not one in the other.
    mkdirSync(join(folder, 'images2'));
    await add('second', join(folder, 'images2'));
  });

  test('a folder of another server is refused, unless it is taken over', async (t) => {
    const first = await openTestCatalog(t, await open(t));
    const second = await openTestCatalog(t, await open(t));
    const wishes = { name: 'theirs', folder: first.location.folder };
    await assert.rejects(second.catalog.locations.add(wishes), {
      code: 'LOCATION_MARKED',
      message: /another server or database/,
    });
    const taken = await second.catalog.locations.add({ ...wishes, takeOver: true });
    assert.ok((await second.catalog.locations.look(taken.id)).available);
    assert.ok(!(await first.catalog.locations.look(first.location.id)).available);
    // The same folder by another way: its marker is that of a location that is known.
    symlinkSync(taken.folder, join(second.folder, 'link'));
    const again = { name: 'again', folder: join(second.folder, 'link'), takeOver: true };
    await assert.rejects(second.catalog.locations.add(again), { code: 'LOCATION_MARKED' });
  });

  test('a location with images is not removed', async (t) => {
    const { catalog, location, makeFile } = await openTestCatalog(t, await open(t));
    const file = await makeFile('a.qcow2');
    const image = await catalog.import({ name: 'a', from: { locationId: location.id, file } });
    await assert.rejects(catalog.locations.remove(location.id), {
      code: 'LOCATION_IN_USE',
      message: /has 1 images/,
    });
    await catalog.forget(image.id);
    await catalog.locations.remove(location.id);
    assert.deepEqual(filesOf(location.folder), ['a.qcow2']);
  });

  test('servers that add the same folder at once make one location, which can be used', async (t) => {
    const { catalog, otherServer, folder } = await openTestCatalog(t, await open(t));
    const path = join(folder, 'new');
    mkdirSync(path);
    const results = await Promise.allSettled(
      [catalog, otherServer('b'), otherServer('c')].map((each, index) =>
        each.locations.add({ name: `new-${index}`, folder: path }),
      ),
    );
    const added = results.filter(({ status }) => status === 'fulfilled');
    assert.ok(added.length <= 1);
    const there = (await catalog.locations.list()).filter((location) => location.folder === path);
    assert.equal(there.length, added.length);
    for (const { id } of there) assert.ok((await catalog.locations.look(id)).available);
  });

  test('a share that is not mounted is noticed, told once, and nothing is written beneath it', async (t) => {
    const { catalog, location, makeFile, events, mountShare } = await openTestCatalog(t, await open(t));
    const path = await mountShare('share');
    const share = await catalog.locations.add({ name: 'share', folder: path });
    const file = await makeFile('a.qcow2');
    const from = { locationId: location.id, file };
    const image = await catalog.import({ name: 'a', from, to: share.id });
    assert.deepEqual(filesOf(path), [image.file]);
    await unmountShare(path);

    const gone = {
      code: 'LOCATION_UNAVAILABLE',
      message: /share.*not the file.*mount its share, then try again/,
    };
    await assert.rejects(catalog.import({ name: 'a', from, to: share.id }), gone);
    const origin = { kind: 'capture' };
    const wishes = { name: 'a', locationId: share.id, format: 'qcow2', origin } as const;
    await assert.rejects(catalog.reserve(wishes), gone);
    await assert.rejects(catalog.check(image.id), gone);
    await assert.rejects(catalog.delete(image.id), gone);
    await assert.rejects(catalog.locations.unlisted(share.id), gone);
    assert.deepEqual(filesOf(path), []);
    assert.equal((await catalog.get(image.id)).state, 'ready');

    for (let count = 0; count < 2; count++) {
      assert.equal((await catalog.locations.look(share.id)).available, false);
    }
    rmSync(path, { recursive: true });
    assert.equal((await catalog.locations.look(share.id)).available, false);
    const alerts = await events.list({ kind: 'location.unavailable' });
    assert.deepEqual(
      alerts.map(({ severity, subject }) => ({ severity, subject })),
      [{ severity: 'alert', subject: { kind: 'location', id: share.id } }],
    );
    assert.equal((await catalog.locations.get(share.id)).available, false);

    // Another file system at the same place is not the share.
    await mountShare('share');
    await assert.rejects(catalog.check(image.id), gone);
    writeFileSync(join(path, '.diskferry-location'), JSON.stringify({ location: share.id }));
    assert.ok((await catalog.locations.look(share.id)).available);
    assert.equal((await events.list({ kind: 'location.available' })).length, 1);
    assert.equal((await catalog.check(image.id)).state, 'missing');
  });

  test('a folder that only one of two servers has is told by the other one alone, and once', async (t) => {
    const { catalog, location, otherServer, events } = await openTestCatalog(t, await open(t));
    const other = otherServer('server-2');
    const marker = join(location.folder, '.diskferry-location');
    const content = readFileSync(marker);
    for (let count = 0; count < 2; count++) {
      rmSync(marker);
      assert.ok(!(await other.locations.look(location.id)).available);
      writeFileSync(marker, content);
      assert.ok((await catalog.locations.look(location.id)).available);
    }
    assert.ok((await catalog.locations.get(location.id)).available);
    assert.ok(!(await other.locations.get(location.id)).available);
    assert.equal((await events.list({ kind: 'location.unavailable' })).length, 1);
    assert.equal((await events.list({ kind: 'location.available' })).length, 0);
  });

  test('a share that is mounted for reading only is no location', async (t) => {
    const { catalog, mountShare } = await openTestCatalog(t, await open(t));
    const path = await mountShare('read-only', 'ro,size=1m');
    await assert.rejects(catalog.locations.add({ name: 'x', folder: path }), {
      code: 'LOCATION_UNUSABLE',
      message: /EROFS/,
    });
  });

  test('a share is not unmounted under the work in it', async (t) => {
    const { catalog, location, mountShare } = await openTestCatalog(t, await open(t));
    const path = await mountShare('busy', 'size=64m');
    const share = await catalog.locations.add({ name: 'busy', folder: path });
    await makeImage(join(location.folder, 'a.raw'), 'raw');
    const command = ['umount', [path], { stdio: 'ignore' }] as const;
    let exitCode: number | null | undefined;
    const from = { locationId: location.id, file: 'a.raw' };
    const onProgress = (): void => {
      // Not by `run`: the work must not go on, and perhaps end, while umount starts.
      exitCode ??= spawnSync(...command).status;
    };
    await catalog.import({ name: 'a', from, to: share.id }, { onProgress });
    assert.equal(exitCode, 32);
  });

  test('files that could be imported are told, without those that are images and those that are hidden', async (t) => {
    const { catalog, location, makeFile } = await openTestCatalog(t, await open(t));
    await makeFile('b.qcow2');
    await catalog.import({ name: 'b', from: { locationId: location.id, file: 'b.qcow2' } });
    mkdirSync(join(location.folder, 'old'));
    await makeFile('old/a.qcow2');
    writeFileSync(join(location.folder, '.hidden'), '');
    symlinkSync('/etc/passwd', join(location.folder, 'link'));
    const files = await catalog.locations.unlisted(location.id);
    assert.deepEqual(
      files.map(({ file }) => file),
      ['old/a.qcow2'],
    );
    assert.ok((files[0]?.bytes ?? 0) > 0);
  });

  test('a marker that is damaged makes nothing available', async (t) => {
    const { catalog, location } = await openTestCatalog(t, await open(t));
    const marker = join(location.folder, '.diskferry-location');
    const whole = readFileSync(marker);
    for (const damaged of ['', '{', 'null', '{}', '[]', whole.subarray(0, 20)]) {
      writeFileSync(marker, damaged);
      assert.equal((await catalog.locations.look(location.id)).available, false);
    }
    writeFileSync(marker, whole);
    assert.ok((await catalog.locations.look(location.id)).available);
  });
});

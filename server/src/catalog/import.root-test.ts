import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { endProcess, identifyProcess } from '@diskferry/system/process-identity';
import { run } from '@diskferry/system/run';
import { describeOnEachDatabase } from '../database/testing/each-database.ts';
import { filesOf, makeImage, openTestCatalog } from './testing/test-catalog.ts';

const MIB = 1024 * 1024;

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describeOnEachDatabase('an import', (open) => {
  for (const format of ['raw', 'qcow2', 'vmdk', 'vhdx', 'vdi'] as const satisfies ImageFormat[]) {
    test(`${format}: takes a file where it is, and says what it is`, async (t) => {
      const { catalog, location, makeFile, files, eventKinds } = await openTestCatalog(t, await open(t));
      const file = await makeFile(`My disk.${format}`, format);
      const path = join(location.folder, file);
      const sha256 = digest(path);
      const image = await catalog.import({
        name: 'web',
        notes: 'of the web server',
        tags: ['linux', 'web', 'linux'],
        from: { locationId: location.id, file },
        origin: { computer: 'c1' },
      });
      const { id, createdAt, readyAt, checkedAt, allocatedSize, ...rest } = image;
      assert.deepEqual(rest, {
        name: 'web',
        version: 1,
        state: 'ready',
        arrival: 'adopted',
        locationId: location.id,
        file,
        path,
        format,
        virtualSize: 8 * MIB,
        fileSize: statSync(path).size,
        sha256,
        sectorSize: 512,
        notes: 'of the web server',
        tags: ['linux', 'web'],
        origin: { kind: 'import', path, computer: 'c1' },
      });
      assert.ok(createdAt <= (readyAt ?? '') && readyAt !== undefined && checkedAt !== undefined);
      assert.ok((allocatedSize ?? 0) > 0);
      assert.deepEqual(await catalog.get(id), image);
      assert.deepEqual(files(), [file]);
      assert.deepEqual((await eventKinds()).at(-1), 'image.ready');
      assert.equal((await catalog.check(id)).state, 'ready');
    });
  }

  test('copies a file to another location, without its zeros, and leaves it alone', async (t) => {
    const { catalog, location, folder, makeFile, files } = await openTestCatalog(t, await open(t));
    mkdirSync(join(folder, 'store'));
    const store = await catalog.locations.add({ name: 'store', folder: join(folder, 'store') });
    mkdirSync(join(location.folder, 'sub'));
    const file = await makeFile('sub/a.raw', 'raw');
    const source = join(location.folder, file);
    truncateSync(source, 64 * MIB + 512);
    const before = digest(source);
    const progress: number[] = [];
    const image = await catalog.import(
      { name: 'a', from: { locationId: location.id, file }, to: store.id },
      { onProgress: (bytes, of) => progress.push(bytes / of) },
    );
    assert.equal(image.file, `a-1-${image.id.slice(-12)}.raw`);
    assert.deepEqual([image.arrival, image.sha256, image.virtualSize], ['copied', before, 64 * MIB + 512]);
    assert.equal(digest(image.path), before);
    assert.ok(statSync(image.path).blocks * 512 < MIB);
    assert.equal(statSync(image.path).mode & 0o777, 0o600);
    assert.deepEqual(filesOf(store.folder), [image.file]);
    assert.equal(digest(source), before);
    assert.deepEqual(files(), ['sub']);
    assert.ok(progress.length > 1 && progress.at(-1) === 1);
  });

  test('finds out for which sectors the partition table is made', async (t) => {
    const { catalog, location, makeFile } = await openTestCatalog(t, await open(t));
    const raw = join(location.folder, 'large-sectors.raw');
    writeFileSync(raw, '');
    truncateSync(raw, 64 * MIB);
    const device = (await run(['losetup', '--find', '--show', '--sector-size', '4096', raw])).stdout.trim();
    try {
      await run(['sfdisk', '-q', '--no-reread', '--no-tell-kernel', device], {
        input: 'label: gpt\nsize=16MiB\n',
      });
    } finally {
      await run(['losetup', '--detach', device]);
    }
    const image = join(location.folder, 'large-sectors.qcow2');
    await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, image]);
    for (const file of ['large-sectors.raw', 'large-sectors.qcow2']) {
      assert.equal(
        (await catalog.import({ name: 'x', from: { locationId: location.id, file } })).sectorSize,
        4096,
      );
    }
    const small = await makeFile('small.vdi', 'vdi');
    assert.equal(
      (await catalog.import({ name: 'x', from: { locationId: location.id, file: small } })).sectorSize,
      512,
    );
  });

  test('names that lead out of the folder, and what is no file, are refused', async (t) => {
    const { catalog, location, folder, makeFile, eventKinds } = await openTestCatalog(t, await open(t));
    const file = await makeFile('real.raw', 'raw');
    await makeImage(join(folder, 'outside.raw'), 'raw');
    mkdirSync(join(location.folder, 'inner'));
    symlinkSync(join(folder, 'outside.raw'), join(location.folder, 'link-out.raw'));
    symlinkSync(file, join(location.folder, 'link-in.raw'));
    symlinkSync('..', join(location.folder, 'up'));
    await run(['mkfifo', join(location.folder, 'pipe')]);
    await run(['mknod', join(location.folder, 'zero'), 'c', '1', '5']);
    const attempts: readonly (readonly [name: string, code: string])[] = [
      ['../outside.raw', 'FILE_NAME'],
      ['inner/../../outside.raw', 'FILE_NAME'],
      [join(folder, 'outside.raw'), 'FILE_NAME'],
      ['/etc/shadow', 'FILE_NAME'],
      ['', 'FILE_NAME'],
      ['.', 'FILE_NAME'],
      ['inner//real.raw', 'FILE_NAME'],
      ['.diskferry-location', 'FILE_NAME'],
      ['real.raw\0.qcow2', 'FILE_NAME'],
      ['link-out.raw', 'FILE_OUTSIDE'],
      ['link-in.raw', 'FILE_OUTSIDE'],
      ['up/outside.raw', 'FILE_OUTSIDE'],
      ['pipe', 'FILE_KIND'],
      ['zero', 'FILE_KIND'],
      ['inner', 'FILE_KIND'],
      ['nothing.raw', 'FILE_MISSING'],
      ['real.raw/x', 'FILE_KIND'],
      ['nbd:localhost:10809', 'FILE_MISSING'],
      ['json:{"driver":"file","filename":"x"}', 'FILE_MISSING'],
    ];
    for (const [name, code] of attempts) {
      const from = { locationId: location.id, file: name };
      const expected = (error: { code?: string }): boolean =>
        error.code === code || (name === 'real.raw/x' && error.code === 'FILE_MISSING');
      await assert.rejects(catalog.import({ name: 'x', from }), expected, name);
      await assert.rejects(catalog.import({ name: 'x', from, to: location.id }), expected, name);
    }
    for (const name of ['../x', 'a/b', '.x', '', 'x\0']) {
      const from = { locationId: location.id, file };
      await assert.rejects(catalog.import({ name, from, to: location.id }), { code: 'USAGE' }, name);
    }
    assert.deepEqual((await catalog.list()).images, []);
    assert.deepEqual(await eventKinds(), ['location.added']);
  });

  test('images that need other files, are encrypted or are none are refused, and stay as they are', async (t) => {
    const { catalog, location, makeFile, files } = await openTestCatalog(t, await open(t));
    const at = (name: string): string => join(location.folder, name);
    await makeFile('base.qcow2');
    await makeFile('base.vmdk', 'vmdk');
    const create = (...words: string[]) => run(['qemu-img', 'create', '-q', ...words]);
    await create('-f', 'qcow2', '-u', '-b', '/etc/shadow', '-F', 'raw', at('steals.qcow2'), '8M');
    await create('-f', 'qcow2', '-b', at('base.qcow2'), '-F', 'qcow2', at('overlay.qcow2'));
    await create('-f', 'vmdk', '-b', at('base.vmdk'), '-F', 'vmdk', at('overlay.vmdk'));
    await create('-f', 'qcow2', '-o', `data_file=${at('data.raw')}`, at('external.qcow2'), '8M');
    await create('-f', 'vmdk', '-o', 'subformat=monolithicFlat', at('flat.vmdk'), '8M');
    await create('-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', at('split.vmdk'), '3G');
    await create('-f', 'vpc', at('old.vhd'), '8M');
    const secret = [
      '--object',
      'secret,id=s,data=hallo',
      '-o',
      'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10',
    ];
    await create('-f', 'qcow2', ...secret, at('locked.qcow2'), '8M');
    writeFileSync(at('list.txt'), 'root:x:0:0:root:/root:/bin/bash\n');
    writeFileSync(at('empty.raw'), '');
    await run(['gzip', '--keep', at('base.qcow2')]);
    const before = files().map((name) => [name, digest(at(name))]);
    const attempts: readonly (readonly [file: string, reason: RegExp])[] = [
      ['steals.qcow2', /backing file/],
      ['overlay.qcow2', /backing file/],
      ['overlay.vmdk', /backing file/],
      ['external.qcow2', /data is in another file/],
      ['flat.vmdk', /in other files/],
      ['split.vmdk', /in other files/],
      ['split-s001.vmdk', /one part of several/],
      ['old.vhd', /convert it first/],
      ['locked.qcow2', /encrypted/],
      ['list.txt', /no disk/],
      ['empty.raw', /empty/],
      ['base.qcow2.gz', /unpack it first/],
    ];
    for (const [file, message] of attempts) {
      const from = { locationId: location.id, file };
      for (const wishes of [{}, { to: location.id }]) {
        await assert.rejects(
          catalog.import({ name: 'x', from, ...wishes }),
          { code: 'IMAGE_REFUSED', message },
          file,
        );
      }
    }
    const from = { locationId: location.id, file: 'base.qcow2' };
    await assert.rejects(catalog.import({ name: 'x', from, format: 'vmdk' }), {
      code: 'IMAGE_REFUSED',
      message: /it is qcow2, not vmdk/,
    });
    assert.deepEqual((await catalog.list()).images, []);
    assert.deepEqual(
      files().map((name) => [name, digest(at(name))]),
      before,
    );
  });

  test('a disk whose contents look like an image is raw if its owner says so', async (t) => {
    const { catalog, location, makeFile } = await openTestCatalog(t, await open(t));
    const file = await makeFile('nested', 'qcow2');
    truncateSync(join(location.folder, file), 16 * MIB);
    const image = await catalog.import({ name: 'x', from: { locationId: location.id, file }, format: 'raw' });
    assert.deepEqual([image.format, image.virtualSize], ['raw', 16 * MIB]);
  });

  test('a damaged image is refused, and a copy of it is gone', async (t) => {
    const { catalog, location, makeFile, files, eventKinds } = await openTestCatalog(t, await open(t));
    const file = await makeFile('cut.qcow2');
    const path = join(location.folder, file);
    const descriptor = openSync(path, 'r+');
    // The first table that says where clusters are (docs/interop/qcow2.txt: its place stands at 40).
    const head = readFileSync(path).subarray(0, 48);
    writeSync(descriptor, randomBytes(64), 0, 64, Number(head.readBigUInt64BE(40)));
    closeSync(descriptor);
    const before = digest(path);
    for (const wishes of [{}, { to: location.id }]) {
      await assert.rejects(
        catalog.import({ name: 'x', from: { locationId: location.id, file }, ...wishes }),
        {
          code: 'IMAGE_DAMAGED',
        },
      );
    }
    assert.deepEqual(files(), [file]);
    assert.equal(digest(path), before);
    assert.deepEqual((await catalog.list()).images, []);
    assert.deepEqual(await eventKinds(), ['location.added', 'image.abandoned', 'image.abandoned']);
  });

  for (const format of ['qcow2', 'vmdk', 'vhdx', 'vdi'] as const satisfies ImageFormat[]) {
    test(`${format}: an image whose end is missing is refused`, async (t) => {
      const { catalog, location, makeFile, files } = await openTestCatalog(t, await open(t));
      const file = await makeFile(`cut.${format}`, format);
      const path = join(location.folder, file);
      truncateSync(path, statSync(path).size - 100_000);
      await assert.rejects(
        catalog.import({ name: 'x', from: { locationId: location.id, file } }),
        ({ code }: { code?: string }) => code === 'IMAGE_DAMAGED' || code === 'IMAGE_REFUSED',
      );
      assert.deepEqual(files(), [file]);
    });
  }

  test('an image that a machine writes to is refused', async (t) => {
    const { catalog, location, folder, makeFile } = await openTestCatalog(t, await open(t));
    const file = await makeFile('busy.qcow2');
    const socket = join(folder, 'socket');
    const pidFile = join(folder, 'pid');
    const words = ['--fork', '--pid-file', pidFile, '--socket', socket, '--format', 'qcow2'];
    await run(['qemu-nbd', ...words, join(location.folder, file)]);
    const server = identifyProcess(Number(readFileSync(pidFile, 'utf8')));
    assert.ok(server !== undefined);
    t.after(() => endProcess(server));
    const wishes = { name: 'x', from: { locationId: location.id, file } };
    await assert.rejects(catalog.import(wishes), { code: 'IMAGE_IN_USE' });
    await endProcess(server);
    assert.equal((await catalog.import(wishes)).state, 'ready');
  });

  test('a file that is written to while it is read is refused', async (t) => {
    const { catalog, location, makeFile, files } = await openTestCatalog(t, await open(t));
    const file = await makeFile('growing.raw', 'raw');
    const path = join(location.folder, file);
    for (const wishes of [{}, { to: location.id }]) {
      const onProgress = (): void => appendFileSync(path, Buffer.alloc(512, 1));
      const from = { locationId: location.id, file };
      await assert.rejects(catalog.import({ name: 'x', from, ...wishes }, { onProgress }), {
        code: 'FILE_CHANGED',
      });
    }
    assert.deepEqual(files(), [file]);
    assert.equal((await catalog.list()).total, 0);
  });

  test('a location without room is refused before, and one that fills up meanwhile is left as it was', async (t) => {
    const { catalog, location, mountShare } = await openTestCatalog(t, await open(t));
    const share = await catalog.locations.add({ name: 'share', folder: await mountShare('share') });
    const large = join(location.folder, 'large.raw');
    writeFileSync(large, randomBytes(6 * MIB));
    await assert.rejects(
      catalog.import({ name: 'x', from: { locationId: location.id, file: 'large.raw' }, to: share.id }),
      {
        code: 'LOCATION_TOO_SMALL',
        message: /takes 6\.3 MB, the folder .*share has 4\.\d MB free/,
      },
    );
    // Takes little room where it is, and more where its small holes are filled.
    const holes = join(location.folder, 'holes.raw');
    writeFileSync(holes, '');
    truncateSync(holes, 12 * MIB);
    const descriptor = openSync(holes, 'r+');
    for (let at = 0; at < 12 * MIB; at += 64 * 1024) writeSync(descriptor, 'x', at);
    closeSync(descriptor);
    await assert.rejects(
      catalog.import({ name: 'x', from: { locationId: location.id, file: 'holes.raw' }, to: share.id }),
      {
        code: 'LOCATION_FULL',
        message: /share is full; delete images/,
      },
    );
    assert.deepEqual(filesOf(share.folder), []);
    assert.equal((await catalog.list()).total, 0);
    const free = (await catalog.locations.look(share.id)).freeBytes ?? 0;
    assert.ok(free > 3.5 * MIB);
  });

  test('what is broken off leaves nothing', async (t) => {
    const { catalog, location, makeFile, files } = await openTestCatalog(t, await open(t));
    const file = await makeFile('a.raw', 'raw');
    truncateSync(join(location.folder, file), 256 * MIB);
    for (const wishes of [{}, { to: location.id }]) {
      const abort = new AbortController();
      const reason = new Error('no more');
      const work = catalog.import(
        { name: 'x', from: { locationId: location.id, file }, ...wishes },
        { signal: abort.signal, onProgress: () => abort.abort(reason) },
      );
      await assert.rejects(work, reason);
    }
    assert.deepEqual(files(), [file]);
    assert.equal((await catalog.list()).total, 0);
  });

  test('a file is in the catalog once', async (t) => {
    const { catalog, location, makeFile } = await openTestCatalog(t, await open(t));
    const file = await makeFile('a.qcow2');
    const from = { locationId: location.id, file };
    const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => catalog.import({ name, from })));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    await assert.rejects(catalog.import({ name: 'd', from }), { code: 'IMAGE_EXISTS' });
    assert.equal((await catalog.list()).total, 1);
    assert.ok(existsSync(join(location.folder, file)));
  });

  test('versions are numbered within a name, and no number is given twice', async (t) => {
    const { catalog, location, makeFile, otherServer } = await openTestCatalog(t, await open(t));
    const file = await makeFile('a.qcow2');
    const from = { locationId: location.id, file };
    const servers = [catalog, otherServer('server-2'), catalog, otherServer('server-3')];
    const images = await Promise.all(
      servers.map((server) => server.import({ name: 'web', from, to: location.id })),
    );
    assert.deepEqual(new Set(images.map(({ version }) => version)), new Set([1, 2, 3, 4]));
    const last = images.find(({ version }) => version === 4);
    await catalog.delete(last?.id ?? '');
    assert.equal((await catalog.import({ name: 'web', from, to: location.id })).version, 5);
    assert.equal((await catalog.import({ name: 'web', version: 20, from, to: location.id })).version, 20);
    assert.equal((await catalog.import({ name: 'web', from, to: location.id })).version, 21);
    assert.equal((await catalog.import({ name: 'web', version: 7, from, to: location.id })).version, 7);
    assert.equal((await catalog.import({ name: 'web', from, to: location.id })).version, 22);
    assert.equal((await catalog.import({ name: 'other', from, to: location.id })).version, 1);
  });

  test('servers that want the same version at once: one has it', async (t) => {
    const { catalog, location, makeFile, otherServer, files } = await openTestCatalog(t, await open(t));
    const file = await makeFile('a.qcow2');
    const wishes = { name: 'web', version: 3, from: { locationId: location.id, file }, to: location.id };
    const servers = [catalog, otherServer('server-2'), otherServer('server-3'), otherServer('server-4')];
    const results = await Promise.allSettled(servers.map((server) => server.import(wishes)));
    const winners = results.filter(({ status }) => status === 'fulfilled');
    assert.equal(winners.length, 1);
    for (const result of results) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'IMAGE_EXISTS');
    }
    assert.equal((await catalog.list()).total, 1);
    assert.equal(files().length, 2);
  });
});

describeOnEachDatabase('a reserved image', (open) => {
  const origin = { kind: 'capture', computer: 'c1', disk: 'nvme0n1', job: 'j1' };

  test('has a path, is not ready before its file is checked, and then has its origin', async (t) => {
    const { catalog, location, files, eventKinds } = await openTestCatalog(t, await open(t));
    const wishes = { name: 'web', locationId: location.id, format: 'qcow2', origin, tags: ['a'] } as const;
    const reserved = await catalog.reserve(wishes);
    assert.deepEqual([reserved.state, reserved.version, files()], ['importing', 1, []]);
    assert.equal(reserved.path, join(location.folder, `web-1-${reserved.id.slice(-12)}.qcow2`));
    await assert.rejects(catalog.find('web'), { code: 'IMAGE_UNKNOWN' });
    await assert.rejects(catalog.hold(reserved.id, { kind: 'job', id: 'j2' }), { code: 'IMAGE_STATE' });
    await assert.rejects(catalog.delete(reserved.id), { code: 'IMAGE_STATE', message: /is importing/ });
    await assert.rejects(catalog.check(reserved.id), { code: 'IMAGE_STATE' });
    await assert.rejects(catalog.finish(reserved.id), { code: 'FILE_MISSING' });
    await makeImage(reserved.path, 'qcow2');
    const image = await catalog.finish(reserved.id, { sectorSize: 4096 });
    assert.deepEqual([image.state, image.origin, image.sectorSize], ['ready', origin, 4096]);
    assert.equal(image.sha256, digest(reserved.path));
    assert.deepEqual(await catalog.find('web'), image);
    await assert.rejects(catalog.finish(reserved.id), { code: 'IMAGE_STATE' });
    await assert.rejects(catalog.abandon(reserved.id, 'late'), { code: 'IMAGE_STATE' });
    assert.ok(existsSync(image.path));
    assert.deepEqual(await eventKinds(), ['location.added', 'image.ready']);
  });

  test('what is damaged, of another format or needs other files does not become ready', async (t) => {
    const { catalog, location, folder, files, eventKinds } = await openTestCatalog(t, await open(t));
    const wishes = { name: 'web', locationId: location.id, format: 'qcow2', origin } as const;
    const { id, path } = await catalog.reserve(wishes);
    await makeImage(path, 'vdi');
    await assert.rejects(catalog.finish(id), { code: 'IMAGE_REFUSED' });
    await run([
      'qemu-img',
      'create',
      '-q',
      '-u',
      '-f',
      'qcow2',
      '-b',
      '/etc/shadow',
      '-F',
      'raw',
      path,
      '8M',
    ]);
    await assert.rejects(catalog.finish(id), { code: 'IMAGE_REFUSED' });
    await makeImage(path, 'qcow2');
    truncateSync(path, 200_000);
    await assert.rejects(catalog.finish(id), { code: 'IMAGE_DAMAGED' });
    renameSync(path, join(folder, 'elsewhere'));
    symlinkSync(join(folder, 'elsewhere'), path);
    await assert.rejects(catalog.finish(id), { code: 'FILE_OUTSIDE' });
    assert.equal((await catalog.get(id)).state, 'importing');
    // As a capture leaves it that is killed, and what only looks like it.
    writeFileSync(join(location.folder, `.${(await catalog.get(id)).file}.capture-1.partial`), 'x');
    writeFileSync(join(location.folder, '.web-1-other.qcow2.capture-1.partial'), 'x');
    await catalog.abandon(id, 'it was damaged.');
    assert.deepEqual(files(), ['.web-1-other.qcow2.capture-1.partial']);
    assert.ok(existsSync(join(folder, 'elsewhere')));
    await assert.rejects(catalog.get(id), { code: 'IMAGE_UNKNOWN' });
    assert.deepEqual(await eventKinds(), ['location.added', 'image.abandoned']);
  });

  test('servers that finish it at once: one does', async (t) => {
    const { catalog, location, otherServer, events } = await openTestCatalog(t, await open(t));
    const { id, path } = await catalog.reserve({
      name: 'web',
      locationId: location.id,
      format: 'raw',
      origin,
    });
    await makeImage(path, 'raw');
    const servers = [catalog, otherServer('server-2'), otherServer('server-3')];
    const results = await Promise.allSettled(servers.map((server) => server.finish(id)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const result of results) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'IMAGE_STATE');
    }
    assert.equal((await catalog.get(id)).state, 'ready');
    assert.equal((await events.list({ kind: 'image.ready' })).length, 1);
  });

  test('one that is abandoned while it is finished is either ready with its file or gone with it', async (t) => {
    const { catalog, location, files } = await openTestCatalog(t, await open(t));
    for (let count = 0; count < 5; count++) {
      const wishes = { name: 'web', locationId: location.id, format: 'raw', origin } as const;
      const { id, path } = await catalog.reserve(wishes);
      await makeImage(path, 'raw');
      const finished = catalog.finish(id);
      await sleep(count * 20);
      const [finish, abandon] = await Promise.allSettled([finished, catalog.abandon(id, 'ended.')]);
      assert.notEqual(finish.status, abandon.status);
      assert.equal(existsSync(path), finish.status === 'fulfilled');
    }
    const { images } = await catalog.list();
    assert.deepEqual(images.map(({ file }) => file).toSorted(), files());
  });
});

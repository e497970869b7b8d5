import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { run } from '@diskferry/system/run';
import { isZero, readAt, withDevice, writeAt } from '../file-systems/block-device.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { type CachedVolume, findCachedVolumes } from './cached-volume.ts';
import { withInnerDevice } from './inner-device.ts';
import { dumpMetadata, restoreGroup, runLvm } from './lvm-tools.ts';
import { CACHED_GROUP, cacheXml, type Mapping } from './test-cached-group.ts';
import { parseVolumeGroup } from './volume-group.ts';
import { rangesOfVolume, slicerOf, sumOfRanges } from './volume-ranges.ts';

const MIB = 1024 * 1024;

interface CachedGroup {
  readonly device: string;
  readonly content: Buffer;
}

/** Two cached volumes with ext4, of whose blocks many are in the caches only; all without device-mapper. */
async function makeCachedGroup(bench: Workbench, name = 'source'): Promise<CachedGroup> {
  const device = await bench.loop(bench.file(name, 300 * MIB));
  const group = parseVolumeGroup(CACHED_GROUP);
  const { physicalVolumeUuid: uuid, name: groupName } = group;
  await restoreGroup(device, { uuid, groupName, metadata: CACHED_GROUP, metadataCopies: 1 }, bench);
  const content = randomBytes(3 * MIB);
  for (const cached of findCachedVolumes(group)) {
    const ranges = rangesOfVolume(group, cached.origin);
    await withInnerDevice(device, ranges, bench, (path) => makeExt4(bench, path, content));
    // The second has other metadata, and was not closed before the computer stopped.
    const isCrashed = cached.name === 'data2';
    const mappings = await moveToCache(device, ranges, cached, isCrashed);
    const xml = bench.file('xml', 0);
    await writeFile(xml, cacheXml(sumOfRanges(cached.data) / cached.chunkBytes, mappings));
    const options = isCrashed
      ? ['--metadata-version', '1', '--omit-clean-shutdown']
      : ['--metadata-version', '2'];
    await withInnerDevice(
      device,
      cached.metadata,
      bench,
      async (path) =>
        void (await run(['cache_restore', '--quiet', '--input', xml, '--output', path, ...options])),
    );
  }
  return { device, content };
}

async function makeExt4(bench: Workbench, path: string, content: Buffer): Promise<void> {
  await run(['mke2fs', '-q', '-t', 'ext4', path]);
  const folder = await bench.mount(path);
  await writeFile(join(folder, 'content'), content);
  await bench.unmount(folder);
}

/**
 * Moves every second block that is in use to the cache, in the opposite order, and leaves noise in its place. Where the cache
 * was closed, some blocks of it are not newer: there the noise is in the cache.
 */
async function moveToCache(
  device: string,
  origin: readonly ByteRange[],
  { data, chunkBytes }: CachedVolume,
  isCrashed: boolean,
): Promise<Mapping[]> {
  const [ofOrigin, ofCache] = [slicerOf(origin), slicerOf(data)];
  const mappings: Mapping[] = [];
  let cacheBlock = sumOfRanges(data) / chunkBytes;
  await withDevice(device, 'write', async (file) => {
    for (let originBlock = 0; originBlock < sumOfRanges(origin) / chunkBytes; originBlock++) {
      const [from] = ofOrigin(originBlock * chunkBytes, chunkBytes);
      assert.ok(from !== undefined && from.size === chunkBytes);
      const block = await readAt(file, from.start, chunkBytes);
      const isDirty = originBlock % 2 === 0;
      if (isZero(block) || (isCrashed && !isDirty)) continue;
      const [to] = ofCache(--cacheBlock * chunkBytes, chunkBytes);
      assert.ok(to !== undefined);
      await writeAt(file, to.start, isDirty ? block : randomBytes(chunkBytes));
      if (isDirty) await writeAt(file, from.start, randomBytes(chunkBytes));
      mappings.push({ originBlock, cacheBlock, dirty: isDirty && !isCrashed });
    }
  });
  assert.ok(mappings.length > 20, `${mappings.length} blocks`);
  return mappings;
}

async function expectContent(bench: Workbench, device: string, content: Buffer): Promise<void> {
  const group = parseVolumeGroup(await dumpMetadata(device, bench));
  for (const volume of group.volumes) {
    await withInnerDevice(device, rangesOfVolume(group, volume), bench, async (path) => {
      await run(['e2fsck', '-f', '-n', path]);
      const folder = await bench.mount(path);
      assert.ok((await readFile(join(folder, 'content'))).equals(content), volume.name);
      await bench.unmount(folder);
    });
  }
}

const COLUMNS = 'lv_name,lv_uuid,lv_tags,lv_layout,lv_time';

test('cached volumes are copied as files with what only their caches have, and become plain', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeCachedGroup(bench);
  const found = await recogniseFileSystem(device, { session: bench.session });
  const notes = found.notes.join('\n');
  assert.match(notes, /data \(ext4, files\), data2 \(ext4, files\)$/m);
  assert.match(notes, /^volume data loses its cache \(writeback, 12\.6 MB\): add one again with lvconvert/m);
  assert.match(notes, /^volume data2 loses its cache \(writeback, 16\.8 MB\)/m);

  // Room for the two volumes, and none for what they are made of on the source.
  for (const size of [105 * MIB, 300 * MIB]) {
    const destination = await bench.loop(bench.file(`destination-${size}`, size));
    await found.create(destination, bench.context);
    await found.copy(device, destination, bench.context);
    assert.deepEqual(await found.verify(device, destination, bench.context), []);
    assert.deepEqual(bench.warnings, []);
    await expectContent(bench, destination, content);
    const report = await runLvm(destination, ['lvs', '--all', '--noheadings', '--options', COLUMNS], bench);
    assert.match(
      report,
      /^ +data +nTUnig-bSG2-UsHA-dpsP-D8Jo-FsfQ-eOrgKX keep +linear .*\n +data2 +2Jvb30.* linear .*\n$/,
    );
    const { volumes } = parseVolumeGroup(await dumpMetadata(destination, bench));
    assert.deepEqual(
      volumes.map(({ segments }) => segments[0]?.places),
      size === 300 * MIB ? [[0], [20]] : [[0], [15]],
    );
  }
});

test('verification finds a block that only the cache has', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeCachedGroup(bench);
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await recogniseFileSystem(device, { session: bench.session });
  await found.create(destination, bench.context);
  await found.copy(device, destination, bench.context);
  const group = parseVolumeGroup(await dumpMetadata(destination, bench));
  const [data] = group.volumes;
  assert.ok(data !== undefined);
  await withInnerDevice(destination, rangesOfVolume(group, data), bench, async (path) => {
    const folder = await bench.mount(path);
    const file = await open(join(folder, 'content'), 'r+');
    await file.write('spoilt', MIB);
    await file.close();
    await bench.unmount(folder);
  });
  const differences = await found.verify(device, destination, bench.context);
  assert.ok(
    differences.some(({ path }) => /^data:.*content$/.test(path)),
    JSON.stringify(differences),
  );
});

test('a volume with damaged metadata of its cache is copied in its parts, and said', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeCachedGroup(bench);
  const group = parseVolumeGroup(await dumpMetadata(device, bench));
  const [damaged] = findCachedVolumes(group);
  assert.ok(damaged?.metadata[0] !== undefined);
  const { start } = damaged.metadata[0];
  await withDevice(device, 'write', (file) => writeAt(file, start + 100, Buffer.from('spoilt')));
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await recogniseFileSystem(device, { session: bench.session });
  const notes = found.notes.join('\n');
  assert.match(notes, /volume data is copied as sectors with its cache: .*block 0 has a wrong checksum/);
  assert.match(notes, /volume data2 loses its cache/);
  await found.create(destination, bench.context);
  await found.copy(device, destination, bench.context);
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  const made = parseVolumeGroup(await dumpMetadata(destination, bench));
  assert.deepEqual([...made.composed], [['data', 'cache']]);
  assert.deepEqual(
    made.volumes.map(({ name, partOf }) => [name, partOf]),
    [
      ['data2', undefined],
      ['fast_cvol', 'cache'],
      ['data_corig', 'cache'],
    ],
  );
  const data2 = made.volumes.find(({ name }) => name === 'data2');
  assert.ok(data2 !== undefined);
  await withInnerDevice(destination, rangesOfVolume(made, data2), bench, async (path) => {
    const folder = await bench.mount(path);
    assert.ok((await readFile(join(folder, 'content'))).equals(content));
    await bench.unmount(folder);
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { sizeOfDevice } from '../file-systems/block-device.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { withInnerDevice } from './inner-device.ts';
import { dumpMetadata, restoreGroup, runLvm } from './lvm-tools.ts';
import { parseVolumeGroup, type VolumeGroup } from './volume-group.ts';
import { rangesOfVolume } from './volume-ranges.ts';

const MIB = 1024 * 1024;
const EXTENT = 4 * MIB;
const FSCK_OK = { okExitCodes: [0] };

/** What LVM reports of names, identifiers, tags and kinds. */
async function report(bench: Workbench, device: string): Promise<string> {
  const columns = {
    vgs: 'vg_uuid,vg_name,vg_tags,vg_extent_size,vg_permissions',
    pvs: 'pv_uuid,pe_start,pv_mda_count',
    lvs: 'lv_name,lv_uuid,lv_tags,lv_attr,lv_layout,lv_time',
  };
  const reports: string[] = [];
  for (const [program, names] of Object.entries(columns)) {
    reports.push(await runLvm(device, [program, '--noheadings', '--options', names], bench));
  }
  return reports.join('');
}

async function groupOf(bench: Workbench, device: string): Promise<VolumeGroup> {
  return parseVolumeGroup(await dumpMetadata(device, bench));
}

async function withVolume<T>(
  bench: Workbench,
  device: string,
  name: string,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const group = await groupOf(bench, device);
  const volume = group.volumes.find((volume) => volume.name === name);
  assert.ok(volume, `there is no volume ${name}`);
  return withInnerDevice(device, rangesOfVolume(group, volume), bench, work);
}

async function withMounted<T>(
  bench: Workbench,
  device: string,
  name: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  return withVolume(bench, device, name, async (path) => {
    const folder = await bench.mount(path);
    try {
      return await work(folder);
    } finally {
      await bench.unmount(folder);
    }
  });
}

interface Volumes {
  /** Extents by name, in the order in which they are made. */
  readonly [name: string]: number;
}

/** A group "server" made by LVM itself on a device. */
async function makeGroup(bench: Workbench, device: string, volumes: Volumes): Promise<void> {
  await runLvm(device, ['pvcreate', device], bench);
  await runLvm(
    device,
    ['vgcreate', '--addtag', 'rack7', '--physicalextentsize', '4m', 'server', device],
    bench,
  );
  for (const [name, extents] of Object.entries(volumes)) await addVolume(bench, device, name, extents);
}

async function addVolume(bench: Workbench, device: string, name: string, extents: number): Promise<void> {
  const quietly = ['--activate', 'n', '--zero', 'n', '--wipesignatures', 'n'];
  await runLvm(
    device,
    ['lvcreate', ...quietly, '--name', name, '--extents', String(extents), 'server'],
    bench,
  );
}

/** root with ext4 and some files, swap, and data with ext4; 10 extents are free. */
async function makeServer(
  bench: Workbench,
  { sectorSize = 512 } = {},
): Promise<{ device: string; content: Buffer }> {
  const device = await bench.loop(bench.file('source', 300 * MIB), { sectorSize });
  await makeGroup(bench, device, { root: 20, swap_1: 4, data: 40 });
  await runLvm(device, ['lvchange', '--addtag', 'backup', 'server/data'], bench);
  const content = randomBytes(3 * MIB);
  await withVolume(
    bench,
    device,
    'root',
    async (path) => void (await run(['mke2fs', '-q', '-t', 'ext4', '-L', 'root', path])),
  );
  await withVolume(
    bench,
    device,
    'data',
    async (path) => void (await run(['mke2fs', '-q', '-t', 'ext4', path])),
  );
  await withVolume(bench, device, 'swap_1', async (path) => void (await run(['mkswap', '-L', 'swap', path])));
  await withMounted(bench, device, 'root', (folder) => writeFile(join(folder, 'vmlinuz'), content));
  await withMounted(bench, device, 'data', (folder) => writeFile(join(folder, 'table'), content));
  return { device, content };
}

async function carry(bench: Workbench, source: string, destination: string): Promise<FileSystem> {
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(source, destination, bench.context);
  assert.deepEqual(bench.warnings, []);
  return fileSystem;
}

async function expectFiles(bench: Workbench, device: string, content: Buffer): Promise<void> {
  for (const name of ['root', 'data']) {
    await withVolume(bench, device, name, async (path) => {
      await run(['e2fsck', '-f', '-n', path], FSCK_OK);
    });
  }
  await withMounted(bench, device, 'root', async (folder) =>
    assert.ok((await readFile(join(folder, 'vmlinuz'))).equals(content)),
  );
  await withMounted(bench, device, 'data', async (folder) =>
    assert.ok((await readFile(join(folder, 'table'))).equals(content)),
  );
}

test('a volume group is recreated with its identifiers, tags and places, and its file systems as files', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeServer(bench);
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await carry(bench, device, destination);

  assert.deepEqual([found.type, found.label], ['LVM2_member', 'server']);
  assert.ok(found.usedBytes < 60 * MIB, `${found.usedBytes} bytes`);
  assert.match(found.notes.join(), /root \(ext4, files\), swap_1 \(swap, recreated\), data \(ext4, files\)/);
  assert.deepEqual(await report(bench, destination), await report(bench, device));
  assert.deepEqual((await groupOf(bench, destination)).volumes, (await groupOf(bench, device)).volumes);
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  await expectFiles(bench, destination, content);
});

test('on a larger device the last volume with files grows, and what was free stays free', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeServer(bench);
  const destination = await bench.loop(bench.file('destination', 420 * MIB));
  const found = await recogniseFileSystem(device, { session: bench.session });
  assert.match(
    found.suitability({ bytes: 420 * MIB, sectorBytes: 512 }).changes.join(),
    /volume data has 293\.6 MB, it had 167\.8 MB/,
  );
  await carry(bench, device, destination);

  const [before, after] = [await groupOf(bench, device), await groupOf(bench, destination)];
  assert.deepEqual(
    after.volumes.map(({ name, extentCount }) => [name, extentCount]),
    [
      ['root', 20],
      ['swap_1', 4],
      ['data', 70],
    ],
  );
  assert.equal(after.extentCount - 94, before.extentCount - 64);
  assert.equal(await withVolume(bench, destination, 'data', sizeOfDevice), 70 * EXTENT);
  assert.deepEqual(await report(bench, destination), await report(bench, device));
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  await expectFiles(bench, destination, content);
});

test('on a smaller device with old contents free extents are given up first, then free space of volumes', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeServer(bench);
  const found = await recogniseFileSystem(device, { session: bench.session });
  const file = bench.file('destination', 160 * MIB);
  await writeFile(file, randomBytes(160 * MIB));
  const destination = await bench.loop(file);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', destination]);
  const context = { ...bench.context, zeroed: false };
  await found.create(destination, context);
  await found.copy(device, destination, context);

  const { volumes, extentCount } = await groupOf(bench, destination);
  assert.equal(
    volumes.reduce((sum, { extentCount }) => sum + extentCount, 0),
    extentCount,
  );
  assert.equal(volumes.find(({ name }) => name === 'root')?.extentCount, 20);
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  await expectFiles(bench, destination, content);
  assert.equal((await recogniseFileSystem(destination)).type, 'LVM2_member');

  const { obstacle } = found.suitability({ bytes: found.smallestBytes - EXTENT, sectorBytes: 512 });
  assert.match(obstacle ?? '', /does not fit: there is room for .*root needs .*data needs/);
  const least = await bench.loop(bench.file('least', found.smallestBytes));
  await carry(bench, device, least);
  await expectFiles(bench, least, content);
});

test('a volume group for sectors of 512 bytes is made on sectors of 4096, and back', async (t) => {
  for (const [from, to] of [
    [512, 4096],
    [4096, 512],
  ] as const) {
    const bench = openWorkbench(t);
    const { device, content } = await makeServer(bench, { sectorSize: from });
    const destination = await bench.loop(bench.file('destination', 320 * MIB), { sectorSize: to });
    await carry(bench, device, destination);
    await expectFiles(bench, destination, content);
  }
});

test('verification finds a file, a volume and an identifier that differ', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeServer(bench);
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await carry(bench, device, destination);
  await withMounted(bench, destination, 'data', (folder) => writeFile(join(folder, 'table'), 'spoilt'));
  await runLvm(destination, ['lvchange', '--deltag', 'backup', 'server/data'], bench);
  const differences = await found.verify(device, destination, bench.context);
  assert.ok(
    differences.some(({ path }) => /^data:.*table$/.test(path)),
    JSON.stringify(differences),
  );
  assert.ok(differences.some(({ property }) => property === "LVM's server/logical_volumes/data/tags"));
});

test('volumes that lie in pieces and in stripes are read and written without device-mapper', async (t) => {
  const bench = openWorkbench(t);
  const device = await bench.loop(bench.file('source', 300 * MIB));
  await makeGroup(bench, device, { root: 10, other: 2 });
  await runLvm(device, ['lvextend', '--extents', '+6', 'server/root'], bench);
  await addVolume(bench, device, 'striped', 12);
  await stripe(bench, device);
  const content = randomBytes(30 * MIB);
  for (const name of ['root', 'striped']) {
    await withVolume(
      bench,
      device,
      name,
      async (path) => void (await run(['mke2fs', '-q', '-t', 'ext4', path])),
    );
    await withMounted(bench, device, name, (folder) => writeFile(join(folder, 'content'), content));
  }
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await carry(bench, device, destination);
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  const { volumes } = await groupOf(bench, destination);
  assert.deepEqual(volumes, (await groupOf(bench, device)).volumes);
  for (const name of ['root', 'striped']) {
    const read = await withMounted(bench, destination, name, (folder) => readFile(join(folder, 'content')));
    assert.ok(read.equals(content), name);
  }
});

/** LVM itself stripes over several devices only. */
async function stripe(bench: Workbench, device: string): Promise<void> {
  const metadata = await dumpMetadata(device, bench);
  const striped = metadata.replace(
    /(\bstriped \{[\s\S]*?stripe_count = )1([\s\S]*?)"pv0", (\d+)/,
    (_, before: string, between: string, place: string) =>
      `${before}2\nstripe_size = 128${between}"pv0", ${place}, "pv0", ${Number(place) + 6}`,
  );
  const { physicalVolumeUuid } = parseVolumeGroup(striped);
  await restoreGroup(
    device,
    { uuid: physicalVolumeUuid, groupName: 'server', metadata: striped, metadataCopies: 1 },
    bench,
  );
}

test('what is made of other volumes is copied in its parts, and said', async (t) => {
  const bench = openWorkbench(t);
  const { device, content } = await makeServer(bench);
  const plain = await dumpMetadata(device, bench);
  const metadata = plain.replace(
    /logical_volumes \{\n/,
    `logical_volumes {\n\nsnapshot0 {\nid = "Aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg"\nstatus = ["READ", "WRITE"]\nflags = []\n` +
      `segment_count = 1\nsegment1 {\nstart_extent = 0\nextent_count = 40\ntype = "snapshot"\nchunk_size = 8\norigin = "data"\ncow_store = "swap_1"\n}\n}\n`,
  );
  const group = parseVolumeGroup(metadata);
  await restoreGroup(
    device,
    { uuid: group.physicalVolumeUuid, groupName: 'server', metadata, metadataCopies: 1 },
    bench,
  );
  const destination = await bench.loop(bench.file('destination', 300 * MIB));
  const found = await carry(bench, device, destination);
  assert.match(found.notes.join(), /volume snapshot0 is a snapshot/);
  assert.match(found.notes.join(), /swap_1 \(snapshot, sectors\), data \(snapshot, sectors\)/);
  assert.match(
    found.suitability({ bytes: 180 * MIB, sectorBytes: 512 }).obstacle ?? '',
    /data needs 167\.8 MB/,
  );
  assert.deepEqual(await found.verify(device, destination, bench.context), []);
  await expectFiles(bench, destination, content);
  assert.deepEqual(await report(bench, destination), await report(bench, device));
});

test('a group over several devices, and damaged metadata, are copied as sectors with the reason', async (t) => {
  const bench = openWorkbench(t);
  const { device } = await makeServer(bench);
  const metadata = await dumpMetadata(device, bench);
  const second = metadata.replace(
    /physical_volumes \{\n/,
    'physical_volumes {\npv1 {\nid = "Aaaaaa-bbbb-cccc-dddd-eeee-ffff-gggggg"\ndevice = "/dev/sdb"\nstatus = ["ALLOCATABLE"]\nflags = []\ndev_size = 409600\npe_start = 2048\npe_count = 49\n}\n',
  );
  assert.throws(() => parseVolumeGroup(second), /server extends over 2 devices/);

  const damaged = await bench.loop(bench.file('damaged', 64 * MIB));
  await runLvm(damaged, ['pvcreate', damaged], bench);
  const found = await recogniseFileSystem(damaged, { session: bench.session });
  assert.equal(found.how, 'sectors');
  assert.match(found.notes.join(), /copied as sectors/);
});

test('without a session nobody looks inside', async (t) => {
  const bench = openWorkbench(t);
  const device = await bench.loop(bench.file('source', 64 * MIB));
  await makeGroup(bench, device, { root: 4 });
  assert.equal((await recogniseFileSystem(device)).how, 'sectors');
});

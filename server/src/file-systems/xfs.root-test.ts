import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';
import { readXfsAttributes } from './xfs-attributes.ts';
import { readXfsSuperblock } from './xfs-superblock.ts';

const MIB = 1024 * 1024;
const SIZE = 400 * MIB;
const UUID = '0d2a1a6e-9f3e-4b54-8b4a-6d3c2c7b9e11';

/** Options of mkfs.xfs. */
const VARIANTS: Readonly<Record<string, string>> = {
  'XFS as Debian makes it': '',
  'XFS with every feature': '-m rmapbt=1,reflink=1,bigtime=1,inobtcount=1,finobt=1 -i nrext64=1,sparse=1',
  'XFS as it was some years ago':
    '-m rmapbt=0,reflink=0,bigtime=0,inobtcount=0,finobt=0 -i nrext64=0,sparse=0,maxpct=13',
  'XFS with unusual sizes':
    '-b size=1024 -i size=512 -n size=16384 -d agcount=3,su=64k,sw=4 -l size=80m,su=32k',
  'XFS with large sectors and inodes': '-s size=4096 -i size=2048',
};

for (const [name, options] of Object.entries(VARIANTS)) {
  test(`the twin of an ${name} has the same geometry and features`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeXfs(bench, options);
    const destination = await bench.loop(bench.file('copy', SIZE));
    const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
    assert.deepEqual([fileSystem.how, fileSystem.notes], ['files', []]);
    assert.deepEqual([fileSystem.uuid, fileSystem.label], [UUID, 'a label']);
    await fileSystem.create(destination, bench.context);
    assert.equal(await geometry(destination), await geometry(source.device));
    await fileSystem.copy(source.device, destination, bench.context);
    assert.equal(await geometry(destination), await geometry(source.device));
    assert.deepEqual(bench.warnings, []);
  });
}

test('a rich tree on an XFS is copied without a difference', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', makeRichXfs);
  const { destination } = await copyWhole(bench, source.device, SIZE);
  assert.deepEqual(await compareDevices(bench, source.device, destination), []);
  assert.deepEqual(bench.warnings, []);
  await run(['xfs_repair', '-n', destination]);
});

for (const [name, size] of [
  ['the least size that it asks for', 0],
  ['twice the size', 2 * SIZE],
] as const) {
  test(`a rich tree on an XFS is copied to ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeXfs(bench, '-m rmapbt=1', async (folder) => {
      // The last files lie behind the end of the destination.
      await run(['fallocate', '--length', String(230 * MIB), join(folder, 'filler')]);
      await makeRichXfs(folder);
      await rm(join(folder, 'filler'));
    });
    const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
    const wanted = size === 0 ? Math.ceil(fileSystem.smallestBytes / 4096) * 4096 : size;
    const { destination } = await copyWhole(bench, source.device, wanted);
    const made = await readXfsSuperblock(destination);
    assert.equal(made.dataBlocks, Math.floor(wanted / 4096));
    assert.deepEqual([made.uuid, made.label], [UUID, 'a label']);
    assert.deepEqual(await compareDevices(bench, source.device, destination), []);
    assert.deepEqual(bench.warnings, []);
  });
}

test('an XFS that is full of files is copied to the least size that it asks for', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(
    bench,
    '',
    async (folder) => {
      for (let number = 0; number < 20; number++) {
        await mkdir(join(folder, `${number}`));
        for (let file = 0; file < 100; file++) {
          await writeFile(join(folder, `${number}`, `${file}`), randomBytes(100_000));
        }
      }
    },
    600 * MIB,
  );
  const { smallestBytes } = await recogniseFileSystem(source.device, { session: bench.session });
  assert.ok(smallestBytes < 340 * MIB, `${smallestBytes} bytes for 200 MB of files`);
  const { destination } = await copyWhole(bench, source.device, Math.ceil(smallestBytes / 4096) * 4096);
  assert.deepEqual(await compareDevices(bench, source.device, destination), []);
});

test('what only XFS knows of a file is carried: extent size hints, flags, project numbers', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', async (folder) => {
    const at = (name: string): string => join(folder, name);
    await mkdir(at('database'), { mode: 0o711 });
    for (const name of ['database/table', 'not\nice', 'cow', 'plain']) await writeFile(at(name), '');
    await run(['xfs_io', '-c', 'extsize 64k', at('database/table')]);
    await run(['xfs_io', '-c', 'extsize 1m', at('not\nice')]);
    await run(['xfs_io', '-c', 'cowextsize 128k', '-c', 'chattr +fd', at('cow')]);
    await writeFile(at('database/table'), randomBytes(100_000));
    await link(at('database/table'), at('a second name'));
    await run(['chown', '5:6', at('database/table')]);
    await mkdir(at('no links'));
    await run(['xfs_io', '-r', '-c', 'chattr +nS', '-c', 'extsize 32k', at('no links')]);
    await run(['chattr', '-p', '77', '+P', at('database')]);
    await run(['chattr', '-p', '4294967294', at('plain')]);
    await run(['chattr', '+i', at('cow')]);
  });
  const { destination } = await copyWhole(bench, source.device, SIZE);
  const folders = [
    await bench.mount(source.device, 'ro,noatime,nouuid'),
    await bench.mount(destination, 'ro,noatime,nouuid'),
  ];
  const [left, right] = await Promise.all(
    folders.map(async (folder) =>
      (await readXfsAttributes(folder))
        .map((found) => ({ ...found, path: found.path.toString().slice(folder.length) }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    ),
  );
  assert.deepEqual(right, left);
  assert.deepEqual(
    left?.map(({ path, letters, extentSize, cowExtentSize }) => [path, letters, extentSize, cowExtentSize]),
    [
      ['/a second name', '', 65536, 0],
      ['/cow', 'f', 0, 131072],
      ['/database/table', '', 65536, 0],
      ['/no links', 'nS', 32768, 0],
      ['/not\nice', '', MIB, 0],
    ],
  );
  assert.deepEqual(await compareTrees(folders[0] ?? '', folders[1] ?? ''), []);
  assert.deepEqual(bench.warnings, []);
});

test('files that share blocks get their own in the copy, which is said with the bytes that it costs', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', async (folder) => {
    await writeFile(join(folder, 'one'), randomBytes(20 * MIB));
    for (const name of ['two', 'three']) {
      await run(['cp', '--reflink=always', join(folder, 'one'), join(folder, name)]);
    }
  });
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  assert.match(fileSystem.notes.join(), /share blocks.*41\.9 MB more/);
  assert.ok(fileSystem.usedBytes >= 60 * MIB);
  const { destination } = await copyWhole(bench, source.device, SIZE);
  assert.deepEqual(await compareDevices(bench, source.device, destination), []);
});

test('a log that was not replayed and files that were deleted while open are put right in the copy', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '');
  const folder = await bench.mount(source.device);
  await makeRichXfs(folder);
  const orphan = await open(join(folder, 'orphan'), 'w');
  await orphan.write(randomBytes(MIB));
  await rm(join(folder, 'orphan'));
  await orphan.sync();
  await run(['sync', '--file-system', folder]);
  const [crashedFile, referenceFile] = [bench.file('crashed', SIZE), bench.file('reference', SIZE)];
  for (const copy of [crashedFile, referenceFile]) await run(['cp', '--sparse=always', source.file, copy]);
  await orphan.close();
  await bench.unmount(folder);

  const crashed = await bench.loop(crashedFile);
  const { destination, notes } = await copyWhole(bench, crashed, SIZE);
  assert.match(notes.join(), /log is replayed/);
  assert.deepEqual(await compareDevices(bench, await bench.loop(referenceFile), destination), []);
});

test('an XFS is copied while another one of its UUID is mounted on the server', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', (folder) => writeFile(join(folder, 'file'), 'text'));
  const other = bench.file('other', SIZE);
  await run(['cp', '--sparse=always', source.file, other]);
  await bench.mount(await bench.loop(other));
  const { destination } = await copyWhole(bench, source.device, SIZE);
  assert.deepEqual(await compareDevices(bench, source.device, destination), []);
});

test('on sectors of 4096 bytes an XFS gets larger sectors and, if it must, larger blocks; both are told before', async (t) => {
  const bench = openWorkbench(t);
  const makeFewFiles = async (folder: string): Promise<void> => {
    for (let number = 0; number < 30; number++) {
      await writeFile(join(folder, `${number}`), randomBytes(number * 700));
    }
  };
  for (const [name, options, changes, fill] of [
    ['usual', '', [/sectors become 4096/], makeRichXfs],
    // Where blocks differ, every file is compared block by block.
    ['small', '-b size=1024', [/blocks become 4096/, /sectors become 4096/], makeFewFiles],
  ] as const) {
    const source = await makeXfs(bench, options, fill, SIZE, name);
    const destination = await bench.loop(bench.file(`copy of ${name}`, SIZE), { sectorSize: 4096 });
    const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
    const told = fileSystem.suitability({ bytes: SIZE, sectorBytes: 4096 });
    assert.equal(told.obstacle, undefined);
    for (const [index, change] of changes.entries()) assert.match(told.changes[index] ?? '', change);
    await fileSystem.create(destination, bench.context);
    await fileSystem.copy(source.device, destination, bench.context);
    assert.deepEqual(await compareDevices(bench, source.device, destination, ['holes']), []);
  }
  assert.deepEqual(bench.warnings, []);
});

test('an XFS is not made on a device that is too small, and a full one is said in a sentence', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', (folder) =>
    writeFile(join(folder, 'file'), randomBytes(100 * MIB)),
  );
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const small = await bench.loop(bench.file('small', 90 * MIB));
  await assert.rejects(() => fileSystem.create(small, bench.context), {
    code: 'UNSUITABLE',
    message: /the XFS file system needs at least/,
  });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  const folder = await bench.mount(destination);
  await run(['fallocate', '--length', String(280 * MIB), join(folder, 'in the way')]);
  await bench.unmount(folder);
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'DESTINATION_FULL',
    message: /the destination is full.*'\/file'/,
  });
});

test('the copy of an XFS takes little more than its files and its log', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeXfs(bench, '', async (folder) => {
    await writeFile(join(folder, 'junk'), randomBytes(200 * MIB));
    await writeFile(join(folder, 'kept'), randomBytes(50 * MIB));
    await rm(join(folder, 'junk'));
  });
  const { file, usedBytes } = await copyWhole(bench, source.device, SIZE);
  const allocated = await allocatedBytes(file);
  assert.ok(allocated <= usedBytes * 1.1 + 4 * MIB, `${allocated} bytes for ${usedBytes}`);
});

for (const [name, damage, reason] of [
  ['superblock', { offset: 130, bytes: 4 }, /checksum of its superblock/],
  ['second allocation group', { offset: 100 * MIB + 512, bytes: 512 }, /Metadata CRC error|does not mount/],
] as const) {
  test(`an XFS with a damaged ${name} is copied as sectors, with the reason`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeXfs(bench, '');
    const device = await open(source.device, 'r+');
    await device.write(Buffer.alloc(damage.bytes, 0xff), 0, damage.bytes, damage.offset);
    await device.sync();
    await device.close();
    const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
    assert.equal(fileSystem.how, 'sectors');
    assert.match(fileSystem.notes.join(), reason);
  });
}

test('an XFS whose log is on another device is copied as sectors, and this is said', async (t) => {
  const bench = openWorkbench(t);
  const log = await bench.loop(bench.file('log', 70 * MIB));
  const device = await bench.loop(bench.file('source', SIZE));
  await run(['mkfs.xfs', '-q', '-l', `logdev=${log}`, device]);
  const fileSystem = await recogniseFileSystem(device, { session: bench.session });
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /log is on another device/);
});

interface Source {
  readonly file: string;
  readonly device: string;
}

async function makeXfs(
  bench: Workbench,
  options: string,
  fill?: (folder: string) => Promise<unknown>,
  size = SIZE,
  name = 'source',
): Promise<Source> {
  const file = bench.file(name, size);
  const device = await bench.loop(file);
  const words = options.split(' ').filter((word) => word !== '');
  // Twice "-m" is allowed as long as the parts differ.
  await run(['mkfs.xfs', '-f', '-q', '-L', 'a label', '-m', `uuid=${UUID}`, ...words, device]);
  if (fill !== undefined) {
    const folder = await bench.mount(device, 'noatime,nouuid');
    await fill(folder);
    await bench.unmount(folder);
  }
  return { file, device };
}

/** The rich tree, and properties that XFS has and not every other file system. */
async function makeRichXfs(folder: string): Promise<void> {
  await makeRichTree(folder, { inodeFlags: false, largeDeviceNumbers: false });
  const at = (name: string): string => join(folder, name);
  await writeFile(at('two gibibytes'), '');
  await run(['truncate', '--size=2G', at('two gibibytes')]);
  for (const [name, time] of [
    ['before 1970', '1969-07-20 20:17:40.123456789'],
    ['after 2038', '2038-01-19 03:14:07.999999999'],
  ] as const) {
    await writeFile(at(name), name);
    await run(['touch', '--date', time, at(name)]);
  }
  await symlink('target', at('folder/link'));
  let deep = 'deep';
  for (let depth = 0; depth < 15; depth++) deep = `${deep}/${'d'.repeat(200)}`;
  await run(['mkdir', '--parents', at(deep)]);
  await run(['setfattr', '-n', 'user.large', '-v', `0x${'ab'.repeat(40_000)}`, at('before 1970')]);
  for (const [name, flags] of [
    ['immutable', '+i'],
    ['append only', '+a'],
    ['not dumped', '+dAS'],
  ] as const) {
    await writeFile(at(name), name);
    await run(['chattr', flags, at(name)]);
  }
  await mkdir(at('project'));
  await run(['chattr', '-p', '4711', '+P', at('project')]);
  await writeFile(at('project/inherited'), 'text');
}

interface Copied {
  readonly file: string;
  readonly destination: string;
  readonly usedBytes: number;
  readonly notes: readonly string[];
}

async function copyWhole(bench: Workbench, source: string, size: number): Promise<Copied> {
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
  const file = bench.file('copy', size);
  const destination = await bench.loop(file);
  assert.equal(fileSystem.suitability({ bytes: size, sectorBytes: 512 }).obstacle, undefined);
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(source, destination, bench.context);
  return { file, destination, usedBytes: fileSystem.usedBytes, notes: fileSystem.notes };
}

async function compareDevices(
  bench: Workbench,
  left: string,
  right: string,
  ignored: readonly string[] = [],
): Promise<unknown[]> {
  const folders = [
    await bench.mount(left, 'ro,noatime,nouuid'),
    await bench.mount(right, 'ro,noatime,nouuid'),
  ];
  const differences = await compareTrees(folders[0] ?? '', folders[1] ?? '');
  for (const folder of folders) await bench.unmount(folder);
  return differences.filter(({ property }) => !ignored.includes(property));
}

/** All that xfs_db tells of the layout and the features. */
async function geometry(device: string): Promise<string> {
  const { stdout } = await run([
    'xfs_db',
    '-r',
    '-c',
    'info',
    '-c',
    'version',
    '-c',
    'uuid',
    '-c',
    'label',
    device,
  ]);
  return stdout.replaceAll(device.padEnd(22), '').replaceAll(device, '');
}

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { readBtrfsSuperblock } from './btrfs-superblock.ts';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const SIZE = 1200 * MIB;
/** Longer than any test takes. */
const NEVER_SECONDS = 3600;
const UUID = '1d2a1a6e-9f3e-4b54-8b4a-6d3c2c7b9e11';

/** Options of mkfs.btrfs. */
const VARIANTS: Readonly<Record<string, string>> = {
  'Btrfs as Debian makes it': '',
  'Btrfs with other checksums, nodes and a single copy of metadata': '--checksum sha256 -n 32768 -m single',
  'Btrfs as it was some years ago': '-O ^no-holes -R ^free-space-tree',
  'Btrfs with mixed chunks': '--mixed',
};

for (const [name, options] of Object.entries(VARIANTS)) {
  test(`a ${name} keeps its identity, its format and its files`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeBtrfs(bench, options, (folder) =>
      writeFile(join(folder, 'file'), randomBytes(5 * MIB)),
    );
    const bootCode = randomBytes(64 * 1024);
    const file = await open(source.device, 'r+');
    await file.write(bootCode);
    await file.sync();
    await file.close();
    const before = await readBtrfsSuperblock(source.device);
    const { destination, notes } = await copyWhole(bench, source.device, SIZE);
    assert.deepEqual(notes, []);
    const after = await readBtrfsSuperblock(destination);
    for (const fact of ['uuid', 'label', 'sectorBytes', 'nodeBytes', 'checksum', 'features'] as const) {
      assert.deepEqual(after[fact], before[fact]);
    }
    assert.deepEqual([after.uuid, after.label, after.totalBytes], [UUID, 'a label', SIZE]);
    assert.deepEqual(await readFirst(destination, bootCode.length), bootCode);
    await run(['btrfs', 'check', '--readonly', destination]);
    assert.deepEqual(await compareBoth(bench, source.device, destination), []);
    assert.deepEqual(bench.warnings, []);
  });
}

for (const [name, size] of [
  ['the least size that it asks for', 0],
  ['twice the size', 2 * SIZE],
] as const) {
  test(`subvolumes, snapshots, shared and compressed extents and all properties of files are kept on ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeBtrfs(bench, '', async (folder) => {
      // The last files lie behind the end of a smaller destination.
      await run(['fallocate', '--length', String(700 * MIB), join(folder, 'filler')]);
      await makeRichBtrfs(folder);
      await rm(join(folder, 'filler'));
    });
    const { smallestBytes } = await recogniseFileSystem(source.device, { session: bench.session });
    assert.ok(smallestBytes < SIZE / 2, `${smallestBytes} bytes`);
    const wanted = size === 0 ? Math.ceil(smallestBytes / 4096) * 4096 : size;
    const { destination } = await copyWhole(bench, source.device, wanted);
    const differences = await compareBoth(bench, source.device, destination, describeBtrfs);
    assert.deepEqual(differences, []);
    assert.equal((await readBtrfsSuperblock(destination)).totalBytes, wanted);
    await run(['btrfs', 'check', '--readonly', destination]);
    assert.deepEqual(bench.warnings, []);
  });
}

test('the source can be mounted as before when it was copied, and the kernel has forgotten both devices', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', (folder) => writeFile(join(folder, 'file'), 'text'));
  await copyWhole(bench, source.device, SIZE);
  const { isSeed } = await readBtrfsSuperblock(source.device);
  assert.equal(isSeed, false);
  assert.equal(existsSync(`/sys/fs/btrfs/${UUID}`), false);
  const folder = await bench.mount(source.device);
  await writeFile(join(folder, 'more'), 'it can be written');
  await bench.unmount(folder);
  const { stdout } = await run(['btrfs', 'device', 'scan', '--forget', source.device], {
    okExitCodes: [0, 1],
  });
  assert.equal(stdout, '');
});

test('a log that was not replayed is replayed in the copy', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '');
  // By itself, the kernel would put the log into the trees after 30 s.
  const folder = await bench.mount(source.device, `noatime,commit=${NEVER_SECONDS}`);
  await run(['sync', '--file-system', folder]);
  const file = await open(join(folder, 'in the log only'), 'w');
  await file.write(randomBytes(MIB));
  await file.sync();
  const crashedFile = bench.file('crashed', SIZE);
  await run(['cp', '--sparse=always', source.file, crashedFile]);
  await file.close();
  await bench.unmount(folder);
  // Two devices of one UUID must not be attached together while one is mounted.
  await bench.session.release({ kind: 'loop', backing: source.file });

  const crashed = await bench.loop(crashedFile);
  const { destination, notes } = await copyWhole(bench, crashed, SIZE);
  assert.match(notes.join(), /log is replayed/);
  const copy = await bench.mount(destination);
  assert.equal((await stat(join(copy, 'in the log only'))).size, MIB);
});

test('the copy of a Btrfs takes little more than its contents', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', async (folder) => {
    await writeFile(join(folder, 'junk'), randomBytes(300 * MIB));
    await writeFile(join(folder, 'kept'), randomBytes(60 * MIB));
    await rm(join(folder, 'junk'));
  });
  const { file, usedBytes } = await copyWhole(bench, source.device, SIZE);
  const allocated = await allocatedBytes(file);
  assert.ok(allocated <= usedBytes * 1.1 + 4 * MIB, `${allocated} bytes for ${usedBytes}`);
  assert.ok(bench.progress.length > 0);
});

test('a block whose checksum is wrong fails the copy, and nothing stays mounted', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', (folder) =>
    writeFile(join(folder, 'file'), Buffer.alloc(MIB, 'a text that is easily found')),
  );
  const device = await open(source.device, 'r+');
  const content = Buffer.alloc(400 * MIB);
  await device.read(content, 0, content.length, 0);
  const place = content.indexOf('a text that is easily found');
  assert.notEqual(place, -1);
  await device.write(Buffer.from('A'), 0, 1, place);
  await device.sync();
  await device.close();
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'READ_FAILED',
    message: /checksum is wrong/,
  });
  assert.deepEqual(
    bench.session.held.filter(({ kind }) => kind === 'mount' || kind === 'process'),
    [],
  );
});

test('an abort in the middle ends the move and releases the mount', async (t) => {
  const abort = new AbortController();
  const bench = openWorkbench(t, abort.signal);
  const source = await makeBtrfs(bench, '', async (folder) => {
    for (let number = 0; number < 60; number++) {
      await writeFile(join(folder, `${number}`), randomBytes(5 * MIB));
    }
  });
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  const { session } = bench;
  const hold = session.hold.bind(session);
  session.hold = (resource) => {
    hold(resource);
    if (resource.kind === 'process') setImmediate(() => abort.abort());
  };
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    name: 'AbortError',
  });
  assert.deepEqual(
    session.held.filter(({ kind }) => kind === 'mount' || kind === 'process'),
    [],
  );
  assert.equal((await readBtrfsSuperblock(source.device)).isSeed, false);
});

test('what is too small or has larger sectors is told before anything is written', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', (folder) =>
    writeFile(join(folder, 'file'), randomBytes(200 * MIB)),
  );
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const small = await bench.loop(bench.file('small', 200 * MIB));
  await assert.rejects(() => fileSystem.create(small, bench.context), {
    code: 'UNSUITABLE',
    message: /the Btrfs file system needs at least/,
  });
  assert.equal(fileSystem.suitability({ bytes: SIZE, sectorBytes: 4096 }).obstacle, undefined);
  assert.match(fileSystem.suitability({ bytes: SIZE, sectorBytes: 8192 }).obstacle ?? '', /sectors of 8192/);
});

test('a Btrfs is moved to a disk of the same size with sectors of 4096 bytes', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', makeRichBtrfs);
  const { destination } = await copyWhole(bench, source.device, SIZE, 4096);
  assert.deepEqual(await compareBoth(bench, source.device, destination, describeBtrfs), []);
});

test('a destination that is full after all is said in a sentence', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '', (folder) =>
    writeFile(join(folder, 'file'), randomBytes(300 * MIB)),
  );
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', 200 * MIB));
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'DESTINATION_FULL',
    message: /the contents of the Btrfs file system do not fit/,
  });
});

test('a Btrfs over several devices, or one that is mounted on the server, is copied as sectors, and this is said', async (t) => {
  const bench = openWorkbench(t);
  const [one, two] = [await bench.loop(bench.file('one', SIZE)), await bench.loop(bench.file('two', SIZE))];
  await run(['mkfs.btrfs', '-q', '-d', 'raid1', '-m', 'raid1', one, two]);
  const several = await recogniseFileSystem(one, { session: bench.session });
  assert.equal(several.how, 'sectors');
  assert.match(several.notes.join(), /extends over 2 devices/);

  const device = await bench.loop(bench.file('mounted', SIZE));
  await run(['mkfs.btrfs', '-q', device]);
  await bench.mount(device);
  const mounted = await recogniseFileSystem(device, { session: bench.session });
  assert.equal(mounted.how, 'sectors');
  assert.match(mounted.notes.join(), /with its UUID is mounted/);
});

test('a Btrfs whose superblock is damaged is copied as sectors, with the reason', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeBtrfs(bench, '');
  const device = await open(source.device, 'r+');
  await device.write(Buffer.alloc(8, 0xee), 0, 8, 0x10000 + 80);
  await device.sync();
  await device.close();
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  assert.equal(fileSystem.how, 'sectors');
});

interface Source {
  readonly file: string;
  readonly device: string;
}

async function makeBtrfs(
  bench: Workbench,
  options: string,
  fill?: (folder: string) => Promise<unknown>,
): Promise<Source> {
  const file = bench.file('source', SIZE);
  const device = await bench.loop(file);
  const words = options.split(' ').filter((word) => word !== '');
  await run(['mkfs.btrfs', '-q', '-f', '-L', 'a label', '-U', UUID, ...words, device]);
  if (fill !== undefined) {
    const folder = await bench.mount(device);
    await fill(folder);
    await bench.unmount(folder);
  }
  return { file, device };
}

async function readFirst(device: string, length: number): Promise<Buffer> {
  const file = await open(device);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
  await file.close();
  return buffer;
}

/** The rich tree in a subvolume, and what only Btrfs has. */
async function makeRichBtrfs(folder: string): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const subvolume = (...words: string[]): Promise<unknown> => run(['btrfs', 'subvolume', ...words]);
  await subvolume('create', at('@'));
  await subvolume('create', at('@/nested'));
  await makeRichTree(at('@'), { inodeFlags: false });
  for (const [name, flags] of [
    ['immutable', '+i'],
    ['append only', '+a'],
    ['never compressed', '+m'],
    ['overwritten in place', '+C'],
  ] as const) {
    await writeFile(at(`@/${name}`), '');
    if (flags === '+C') await run(['chattr', flags, at(`@/${name}`)]);
    await writeFile(at(`@/${name}`), randomBytes(200_000));
    if (flags !== '+C') await run(['chattr', flags, at(`@/${name}`)]);
  }
  await mkdir(at('@/compressed'));
  await run(['btrfs', 'property', 'set', at('@/compressed'), 'compression', 'zstd']);
  await writeFile(at('@/compressed/file'), Buffer.alloc(4 * MIB, 'compresses well'));
  await writeFile(at('shared'), randomBytes(8 * MIB));
  await run(['cp', '--reflink=always', at('shared'), at('@/nested/shared')]);
  await run(['truncate', '--size=2G', at('two gibibytes')]);
  await writeFile(at('before 1970'), '');
  await utimes(at('before 1970'), -14182940, -14182940);
  await run(['touch', '--date', '2100-07-20 20:17:40.123456789', at('shared')]);
  await subvolume('snapshot', '-r', at('@'), at('first snapshot'));
  await writeFile(at('@/after the snapshot'), 'text');
  await subvolume('snapshot', at('@'), at('second snapshot'));
  await run(['btrfs', 'quota', 'enable', folder]);
  // The kernel counts in the background: otherwise it may be done on one of the two devices only.
  await run(['btrfs', 'quota', 'rescan', '-w', folder]);
  await run(['btrfs', 'qgroup', 'limit', '1G', at('@/nested')]);
  await subvolume('set-default', at('@'));
}

interface Copied {
  readonly file: string;
  readonly destination: string;
  readonly usedBytes: number;
  readonly notes: readonly string[];
}

async function copyWhole(
  bench: Workbench,
  source: string,
  size: number,
  sectorSize: 512 | 4096 = 512,
): Promise<Copied> {
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
  const file = bench.file('copy', size);
  const destination = await bench.loop(file, { sectorSize });
  assert.equal(fileSystem.suitability({ bytes: size, sectorBytes: sectorSize }).obstacle, undefined);
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(source, destination, bench.context);
  return { file, destination, usedBytes: fileSystem.usedBytes, notes: fileSystem.notes };
}

/** Mounts one after the other: the older kernels take two devices of one UUID for the same file system. */
async function compareBoth(
  bench: Workbench,
  left: string,
  right: string,
  describe: (folder: string) => Promise<unknown> = async () => undefined,
): Promise<unknown[]> {
  const folders = [
    await bench.mount(left, 'ro,noatime,subvolid=5'),
    await bench.mount(right, 'ro,noatime,subvolid=5'),
  ] as const;
  assert.deepEqual(await describe(folders[1]), await describe(folders[0]));
  const inside = ['.', '@', '@/nested', 'first snapshot', 'second snapshot'];
  const differences: unknown[] = [];
  for (const folder of inside.filter((name) => existsSync(join(folders[0], name)))) {
    const found = await compareTrees(join(folders[0], folder), join(folders[1], folder));
    // In a snapshot, the place of a nested subvolume is made up by the kernel, with the time of the mount.
    const isMadeUp = (path: string): boolean => folder.endsWith('snapshot') && path === 'nested';
    differences.push(...found.filter(({ path }) => !isMadeUp(path)));
  }
  for (const folder of folders) await bench.unmount(folder);
  return differences;
}

/** What only Btrfs has: subvolumes with their identities, snapshots, the default, quotas, properties, sharing. */
async function describeBtrfs(folder: string): Promise<string[]> {
  const at = (name: string): string => join(folder, name);
  const commands = [
    ['btrfs', 'subvolume', 'list', '-a', '-p', '-q', '-u', '-R', folder],
    ['btrfs', 'subvolume', 'get-default', folder],
    ['btrfs', 'property', 'get', '-ts', at('first snapshot'), 'ro'],
    ['btrfs', 'property', 'get', '-ts', at('second snapshot'), 'ro'],
    ['btrfs', 'property', 'get', at('@/compressed'), 'compression'],
    ['btrfs', 'filesystem', 'du', '--raw', at('shared'), at('@/nested/shared'), at('first snapshot/plain')],
    ['btrfs', 'qgroup', 'show', '-r', '--raw', folder],
    ['lsattr', '-d', at('@/overwritten in place'), at('@/never compressed')],
  ] as const;
  const outputs: string[] = [];
  for (const command of commands) {
    const { stdout } = await run(command);
    // Generations count transactions, of which the copy has more.
    outputs.push(stdout.replaceAll(folder, '').replaceAll(/\bgen \d+/g, ''));
  }
  return outputs;
}

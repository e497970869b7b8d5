import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const SIZE = 300 * MIB;
/** Longer than any test takes. */
const NEVER_SECONDS = 3600;

const VARIANTS: Readonly<Record<string, { options: string; hugeFile?: boolean }>> = {
  'ext2 with blocks of 1 KiB': { options: '-t ext2 -b 1024 -I 128', hugeFile: false },
  'ext3 with blocks of 4 KiB': { options: '-t ext3 -b 4096' },
  'ext4 with blocks of 1 KiB': { options: '-t ext4 -b 1024' },
  'ext4 with inline data': { options: '-t ext4 -b 4096 -O inline_data,ea_inode' },
  'ext4 with bigalloc': { options: '-t ext4 -b 4096 -O bigalloc -C 16384' },
};

for (const [name, { options, hugeFile = true }] of Object.entries(VARIANTS)) {
  test(`a rich tree on an ${name} is copied without a difference`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeSource(bench, options, (folder) => makeRichTree(folder, { hugeFile }));
    const { destination } = await copyWhole(bench, source.device);
    await run(['e2fsck', '-f', '-n', destination]);
    assert.deepEqual(await compareDevices(bench, source.device, destination), []);
    assert.deepEqual(bench.warnings, []);
  });
}

for (const type of ['ext3', 'ext4']) {
  test(`the copy of an ${type} takes little more than its files, though its free space is full of junk`, async (t) => {
    const bench = openWorkbench(t);
    const source = await makeSource(bench, `-t ${type} -b 4096`, async (folder) => {
      await writeFile(join(folder, 'junk'), randomBytes(220 * MIB)).catch(() => {});
      await run(['sync', '--file-system', folder]);
      await rm(join(folder, 'junk'));
      await makeManyFiles(folder, 60 * MIB);
    });
    const { file, usedBytes } = await copyWhole(bench, source.device);
    assert.ok((await allocatedBytes(source.file)) > 200 * MIB, 'there is junk on the source');
    assert.ok(usedBytes > 50 * MIB);
    const allocated = await allocatedBytes(file);
    assert.ok(allocated <= 1.15 * usedBytes, `${allocated} bytes for ${usedBytes}`);
    assert.equal(bench.progress.length > 0, true);
  });
}

test('a journal that was not replayed and files that were deleted while open are put right in the copy', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', async () => {});
  // By itself, the kernel would commit every 5 s, perhaps in the middle of the copies below.
  const folder = await bench.mount(source.device, `noatime,commit=${NEVER_SECONDS}`);
  await makeRichTree(folder);
  const orphan = await open(join(folder, 'orphan'), 'w');
  await orphan.write(randomBytes(MIB));
  await rm(join(folder, 'orphan'));
  await orphan.sync();
  // What a disk looks like whose computer lost its power now.
  const [crashedFile, referenceFile] = [bench.file('crashed', SIZE), bench.file('reference', SIZE)];
  await copyFile(source.file, crashedFile);
  await copyFile(source.file, referenceFile);
  await orphan.close();
  await bench.unmount(folder);

  const crashed = await bench.loop(crashedFile);
  const { destination, notes } = await copyWhole(bench, crashed);
  assert.match(notes.join(), /journal is replayed/);
  await run(['e2fsck', '-f', '-n', destination]);
  assert.deepEqual(await compareDevices(bench, await bench.loop(referenceFile), destination), []);
});

test('boot code before the superblock is carried', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', async () => {});
  const bootCode = randomBytes(1024);
  const device = await open(source.device, 'r+');
  await device.write(bootCode);
  await device.sync();
  await device.close();
  const { file, destination } = await copyWhole(bench, source.device);
  await run(['sync', destination]);
  const copy = await open(file);
  assert.deepEqual((await copy.read(Buffer.alloc(1024), 0, 1024, 0)).buffer, bootCode);
  await copy.close();
});

test('a file that cannot be read fails the copy, and is named', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4 -b 4096 -O metadata_csum', async (folder) => {
    await writeFile(join(folder, 'file'), 'fine');
    await writeFile(join(folder, 'unlucky file'), 'not fine');
  });
  await damageInodeOf(source, 'unlucky file');
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'READ_FAILED',
    message: /'\/unlucky file': Bad message/,
  });
  assert.deepEqual(mountsOf(bench), []);
});

test('an inode flag that cannot be kept is warned about, naming the file', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', async (folder) => {
    await writeFile(join(folder, 'journaled'), 'data');
  });
  // EXT4_EXTENTS_FL and EXT4_JOURNAL_DATA_FL; chattr needs a right that not every root has.
  await run(['debugfs', '-w', '-R', 'set_inode_field /journaled flags 0x84000', source.device]);
  await copyWhole(bench, source.device);
  assert.deepEqual(bench.warnings, ['the inode flags of /journaled (chattr +j) could not be kept']);
});

test('a destination that is full is said in a sentence, and nothing stays mounted', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', (folder) => makeManyFiles(folder, 20 * MIB));
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  const folder = await bench.mount(destination);
  await run(['fallocate', '--length', String(250 * MIB), join(folder, 'in the way')]);
  await bench.unmount(folder);
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'DESTINATION_FULL',
    message: /the destination is full/,
  });
  assert.deepEqual(mountsOf(bench), []);
});

test('a file system is not made on a device that is too small', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', (folder) => makeManyFiles(folder, 30 * MIB));
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', 30 * MIB));
  await assert.rejects(() => fileSystem.create(destination, bench.context), {
    code: 'UNSUITABLE',
    message: /the ext4 file system needs at least .*\(31457280 bytes\)/,
  });
});

test('an abort in the middle of the copy ends cp and releases the mounts', async (t) => {
  const abort = new AbortController();
  const bench = openWorkbench(t, abort.signal);
  const source = await makeSource(bench, '-t ext4', (folder) => makeManyFiles(folder, 100 * MIB));
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  const { session } = bench;
  const hold = session.hold.bind(session);
  const copiers: number[] = [];
  session.hold = (resource) => {
    hold(resource);
    if (resource.kind !== 'process') return;
    copiers.push(resource.pid);
    abort.abort();
  };
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'COMMAND_ENDED',
  });
  assert.equal(copiers.length, 1);
  assert.throws(() => process.kill(copiers[0] ?? 0, 0), { code: 'ESRCH' });
  assert.deepEqual(mountsOf(bench), []);
});

test('a source that was mounted by someone else meanwhile is left alone as a destination', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4', async () => {});
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  const destination = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(destination, bench.context);
  await bench.mount(destination);
  await assert.rejects(() => fileSystem.copy(source.device, destination, bench.context), {
    code: 'DEVICE_BUSY',
  });
});

test('a damaged file system is copied as sectors, with the reason', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeSource(bench, '-t ext4 -b 4096', async () => {});
  const device = await open(source.device, 'r+');
  // The group descriptors, and their backup where this size has one.
  await device.write(Buffer.alloc(4096, 0xff), 0, 4096, 4096);
  await device.sync();
  await device.close();
  const fileSystem = await recogniseFileSystem(source.device, { session: bench.session });
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /does not mount it/);
});

interface Source {
  readonly file: string;
  readonly device: string;
}

async function makeSource(
  bench: Workbench,
  options: string,
  fill: (folder: string) => Promise<unknown>,
): Promise<Source> {
  const file = bench.file('source', SIZE);
  const device = await bench.loop(file);
  await run(['mke2fs', '-F', '-q', ...options.split(' '), device]);
  const folder = await bench.mount(device);
  await fill(folder);
  await bench.unmount(folder);
  return { file, device };
}

interface Copied {
  readonly file: string;
  readonly destination: string;
  readonly usedBytes: number;
  readonly notes: readonly string[];
}

async function copyWhole(bench: Workbench, source: string): Promise<Copied> {
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
  const file = bench.file('copy', SIZE);
  const destination = await bench.loop(file);
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(source, destination, bench.context);
  return { file, destination, usedBytes: fileSystem.usedBytes, notes: fileSystem.notes };
}

async function compareDevices(bench: Workbench, left: string, right: string): Promise<unknown> {
  return compareTrees(await bench.mount(left, 'ro,noatime'), await bench.mount(right, 'ro,noatime'));
}

/** Files of many sizes in many folders, with contents that cannot become holes. */
async function makeManyFiles(folder: string, total: number): Promise<void> {
  let left = total;
  for (let number = 0; left > 0; number++) {
    const size = Math.min(left, [700, 5000, 40_000, 3_000_000][number % 4] ?? 0);
    const parent = join(folder, `folder ${number % 23}`);
    await mkdir(parent, { recursive: true });
    await writeFile(join(parent, `file ${number}`), randomBytes(size));
    left -= size;
  }
}

/** Makes the checksum of a file's inode wrong. */
async function damageInodeOf({ device }: Source, name: string): Promise<void> {
  const { stdout } = await run(['debugfs', '-R', `imap "/${name}"`, device]);
  const [, block, offset] = /located at block (\d+), offset 0x([\da-f]+)/.exec(stdout) ?? [];
  const file = await open(device, 'r+');
  const checksumLow = Number(block) * 4096 + Number(`0x${offset}`) + 0x7c;
  // Turned, because any constant may be the right one: it depends on the time and the UUID.
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, checksumLow);
  buffer.writeUInt16LE(buffer.readUInt16LE() ^ 0xffff);
  await file.write(buffer, 0, 2, checksumLow);
  await file.sync();
  await file.close();
}

function mountsOf({ session }: Workbench): unknown[] {
  const mounts = session.held.filter(({ kind }) => kind === 'mount' || kind === 'process');
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(session.folder);
  return mounted ? [...mounts, session.folder] : mounts;
}

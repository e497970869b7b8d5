import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { type Command, run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { readSuperblock } from './ext-superblock.ts';
import type { FileSystem } from './file-system.ts';
import { recogniseFileSystem } from './recognise.ts';
import { openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const SIZE = 400 * MIB;

interface ExtCase {
  readonly options: string;
  /** Of the destination, in bytes; 0 is the least that the file system asks for. */
  readonly size: number;
  readonly sectorSize?: 512 | 4096;
  readonly changes?: RegExp;
}

const EXT: Readonly<Record<string, ExtCase>> = {
  'an ext4 to the least size that it asks for': { options: '-t ext4 -b 4096', size: 0 },
  'an ext4 to ten times the size': { options: '-t ext4 -b 4096', size: 4 * GIB },
  'an ext3 with blocks of 1 KiB to the least size that it asks for': {
    options: '-t ext3 -b 1024 -m 3',
    size: 0,
  },
  'an ext4 with bigalloc to half the size': {
    options: '-t ext4 -b 4096 -O bigalloc -C 16384',
    size: SIZE / 2,
  },
  'an ext2 without resize inode to an odd size': {
    options: '-t ext2 -b 4096 -O ^resize_inode',
    size: 333 * MIB + 512,
  },
  'an ext4 with blocks of 1 KiB to sectors of 4096 bytes': {
    options: '-t ext4 -b 1024 -E stride=16,stripe_width=64',
    size: SIZE,
    sectorSize: 4096,
    changes: /blocks become 4096 bytes large, they are 1024/,
  },
};

for (const [name, { options, size, sectorSize = 512, changes }] of Object.entries(EXT)) {
  test(`files are copied from ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const source = await bench.loop(bench.file('source', SIZE));
    await run(['mke2fs', '-F', '-q', '-L', 'a label', ...options.split(' '), source] as Command);
    const folder = await bench.mount(source);
    // The last files lie behind the end of a smaller destination.
    await run(['fallocate', '--length', String(300 * MIB), join(folder, 'filler')], { okExitCodes: [0, 1] });
    // Where blocks differ, every file is compared block by block: a few are enough.
    if (sectorSize === 4096) await makeFewFiles(folder);
    else await makeRichTree(folder, { hugeFile: !options.includes('-b 1024') });
    await rm(join(folder, 'filler'), { force: true });
    await bench.unmount(folder);
    const before = await readSuperblock(source);

    const fileSystem = await recogniseFileSystem(source, { session: bench.session });
    assert.ok(fileSystem.smallestBytes < 100 * MIB, `${fileSystem.smallestBytes} bytes`);
    const bytes = size === 0 ? roundUp(fileSystem.smallestBytes, 4096) : size;
    const told = await copyTo(bench, fileSystem, source, bytes, sectorSize);
    if (changes === undefined) assert.equal(told.length, 0, told.join());
    else assert.match(told.join(), changes);

    const destination = told.device;
    await run(['e2fsck', '-f', '-n', destination]);
    const after = await readSuperblock(destination);
    const unit = after.clusterSize;
    assert.equal(after.blockCount * after.blockSize, Math.floor(bytes / unit) * unit);
    assert.deepEqual(
      [after.uuid, after.features, after.inodeSize],
      [before.uuid, before.features, before.inodeSize],
    );
    assertInProportion(reservedShare(after), reservedShare(before));
    const ignored = sectorSize === 512 ? [] : ['holes'];
    assert.deepEqual(await compareDevices(bench, source, destination, ignored), []);
    assert.deepEqual(bench.warnings, []);
  });
}

test('an ext4 that is full of small files gets enough inodes and room on the least size that it asks for', async (t) => {
  const bench = openWorkbench(t);
  const source = await bench.loop(bench.file('source', GIB));
  await run(['mke2fs', '-F', '-q', '-t', 'ext4', '-b', '4096', '-i', '65536', source]);
  const folder = await bench.mount(source);
  for (let number = 0; number < 40; number++) {
    await mkdir(join(folder, `${number}`));
    for (let file = 0; file < 150; file++) {
      await writeFile(join(folder, `${number}`, `${file}`), randomBytes(file * 40));
    }
  }
  await bench.unmount(folder);
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  assert.ok(fileSystem.smallestBytes < 80 * MIB, `${fileSystem.smallestBytes} bytes`);
  const { device } = await copyTo(bench, fileSystem, source, roundUp(fileSystem.smallestBytes, 4096), 512);
  assert.deepEqual(await compareDevices(bench, source, device, []), []);
  assert.deepEqual(bench.warnings, []);
});

interface FatCase {
  readonly options: string;
  readonly from: number;
  readonly to: number;
  readonly bits: readonly [from: number, to: number];
  readonly sectorSizes?: readonly [from: 512 | 4096, to: 512 | 4096];
  readonly changes?: RegExp;
}

const SMALL_SECTORS = [512, 512] as const;

const FAT: Readonly<Record<string, FatCase>> = {
  'FAT32 to a smaller device': {
    options: '-F 32 -s 8',
    from: 300 * MIB,
    to: 100 * MIB,
    bits: [32, 32],
    changes: /clusters become/,
  },
  'FAT32 to a larger device': { options: '-F 32 -s 1', from: 64 * MIB, to: 900 * MIB, bits: [32, 32] },
  'FAT32 to a device that is too small for its kind': {
    options: '-F 32 -s 1',
    from: 64 * MIB,
    to: 20 * MIB,
    bits: [32, 16],
    changes: /becomes FAT16/,
  },
  'FAT16 to the least size': {
    options: '-F 16 -s 4',
    from: 60 * MIB,
    to: 0,
    bits: [16, 16],
    changes: /clusters become/,
  },
  'FAT16 to a device that is too large for its kind': {
    options: '-F 16 -s 4',
    from: 60 * MIB,
    to: 6 * GIB,
    bits: [16, 32],
    changes: /becomes FAT32/,
  },
  'FAT12 to a larger device': {
    options: '-F 12 -s 1',
    from: 2 * MIB,
    to: 12 * MIB,
    bits: [12, 12],
    changes: /clusters become/,
  },
  'FAT32 of 512 to one of 4096-byte sectors': {
    options: '-F 32 -s 8',
    from: 300 * MIB,
    to: 300 * MIB,
    bits: [32, 32],
    sectorSizes: [512, 4096],
    changes: /sectors become 4096/,
  },
  'an EFI system partition that gets too few clusters of 4096 bytes': {
    options: '-F 32 -s 1',
    from: 100 * MIB,
    to: 100 * MIB,
    bits: [32, 16],
    sectorSizes: [512, 4096],
    changes: /becomes FAT16/,
  },
  'FAT32 of 4096 to one of 512-byte sectors': {
    options: '-F 32 -S 4096',
    from: 300 * MIB,
    to: 200 * MIB,
    bits: [32, 32],
    sectorSizes: [4096, 512],
    changes: /sectors become 512/,
  },
};

for (const [name, { options, from, to, bits, sectorSizes = SMALL_SECTORS, changes }] of Object.entries(FAT)) {
  test(`the files are copied from ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const image = bench.file('source', from);
    await run(['mkfs.fat', '-i', 'C0FFEE42', '-n', 'TEST LABEL', ...options.split(' '), image] as Command);
    await fillFat(bench, image);
    const source = await bench.loop(image, { sectorSize: sectorSizes[0], readOnly: true });
    const fileSystem = await recogniseFileSystem(source, { session: bench.session });
    const bytes = to === 0 ? roundUp(fileSystem.smallestBytes, 4096) : to;
    const told = await copyTo(bench, fileSystem, source, bytes, sectorSizes[1]);
    if (changes === undefined) assert.equal(told.length, 0, told.join());
    else assert.match(told.join(), changes);

    await run(['fsck.fat', '-n', told.file]);
    assert.deepEqual(
      [await versionOf(source), await versionOf(told.device)],
      [`FAT${bits[0]}`, `FAT${bits[1]}`],
    );
    const twin = await recogniseFileSystem(told.device);
    assert.deepEqual([twin.uuid, twin.label, twin.how], ['C0FF-EE42', 'TEST LABEL', 'files']);
    assert.deepEqual(await listing(told.file), await listing(image));
    assert.deepEqual(await contents(bench, told.file), await contents(bench, image));
  });
}

test('sectors of a known file system are not copied to larger sectors, those of an unknown one with a warning', async (t) => {
  const bench = openWorkbench(t);
  const luks = bench.file('luks', 4 * MIB);
  await writeFile(
    luks,
    Buffer.concat([Buffer.from('LUKS\xba\xbe\0\x01', 'latin1'), Buffer.alloc(4 * MIB - 8)]),
  );
  const known = await recogniseFileSystem(luks);
  const unknown = await recogniseFileSystem(bench.file('zeros', 4 * MIB));
  const large = { bytes: 4 * MIB, sectorBytes: 4096 };
  assert.match(known.suitability(large).obstacle ?? '', /made for sectors of 512 bytes/);
  assert.equal(unknown.suitability(large).obstacle, undefined);
  assert.match(unknown.suitability(large).changes.join(), /may not be readable/);
  assert.match(known.suitability({ bytes: MIB, sectorBytes: 512 }).obstacle ?? '', /needs at least 4\.2 MB/);
  assert.deepEqual(known.suitability({ bytes: 4 * MIB, sectorBytes: 512 }), { changes: [] });
});

interface Told extends Array<string> {
  device: string;
  file: string;
}

/** Copies onto a new device. Returns what was told before, with the device. */
async function copyTo(
  bench: Workbench,
  fileSystem: FileSystem,
  source: string,
  bytes: number,
  sectorSize: 512 | 4096,
): Promise<Told> {
  assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
  const { obstacle, changes } = fileSystem.suitability({ bytes, sectorBytes: sectorSize });
  assert.equal(obstacle, undefined);
  const file = bench.file('copy', bytes);
  const device = await bench.loop(file, { sectorSize });
  await fileSystem.create(device, bench.context);
  await fileSystem.copy(source, device, bench.context);
  return Object.assign([...changes], { device, file });
}

async function makeFewFiles(folder: string): Promise<void> {
  for (let number = 0; number < 30; number++) {
    await writeFile(join(folder, `${number}`), randomBytes(number * 700));
  }
}

async function compareDevices(
  bench: Workbench,
  left: string,
  right: string,
  ignored: readonly string[],
): Promise<unknown[]> {
  const differences = await compareTrees(
    await bench.mount(left, 'ro,noatime'),
    await bench.mount(right, 'ro,noatime'),
  );
  return differences.filter(({ property }) => !ignored.includes(property));
}

function reservedShare({ raw, blockCount }: { raw: Buffer; blockCount: number }): number {
  return raw.readUInt32LE(8) / blockCount;
}

function assertInProportion(share: number, wanted: number): void {
  assert.ok(Math.abs(share - wanted) < 0.001, `${share} instead of ${wanted}`);
}

function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

async function fillFat(bench: Workbench, image: string): Promise<void> {
  const tree = join(bench.folder, 'tree');
  await mkdir(join(tree, 'EFI', 'debian'), { recursive: true });
  await mkdir(join(tree, 'empty folder'));
  await writeFile(join(tree, 'EFI', 'debian', 'grubx64.efi'), randomBytes(100_000));
  await writeFile(join(tree, 'EFI', 'Grüße.txt'), 'hello');
  for (let number = 0; number < 150; number++) {
    await writeFile(join(tree, 'EFI', `a rather long file name, number ${number}`), randomBytes(number * 40));
  }
  const names = (await readdir(tree)).map((name) => join(tree, name));
  await run(['mcopy', '-s', '-m', '-i', image, ...names, '::']);
  await run(['mattrib', '-i', image, '+h', '+r', '::EFI/debian']);
}

async function versionOf(device: string): Promise<string> {
  const { stdout } = await run(['blkid', '-p', '-o', 'value', '-s', 'VERSION', device]);
  return stdout.trim();
}

async function listing(image: string): Promise<string> {
  const { stdout } = await run(['mdir', '-/', '-a', '-i', image, '::']);
  return stdout.replace(/[\d ]+ bytes free/, '');
}

async function contents(bench: Workbench, image: string): Promise<string[]> {
  const folder = join(bench.folder, 'out');
  await mkdir(folder);
  await run(['mcopy', '-s', '-n', '-i', image, '::*', folder]);
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const hashes = await Promise.all(files.sort().map(async (path) => `${hash(await readFile(path))} ${path}`));
  await rm(folder, { recursive: true });
  return hashes;
}

function hash(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { type Command, run } from '@diskferry/system/run';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const KIB = 1024;

/** Options of mkfs.fat. */
const VARIANTS: Readonly<
  Record<string, { options: string; size: number; bits: number; sectorSize?: number }>
> = {
  'FAT12 floppy': { options: '-F 12 -s 1', size: 1440 * KIB, bits: 12 },
  'FAT12 with large clusters': { options: '-F 12 -s 16 -r 64', size: 20 * MIB, bits: 12 },
  'FAT16 with reserved sectors': { options: '-F 16 -R 8 -h 2048 -M 0xf0 -g 64/32', size: 40 * MIB, bits: 16 },
  'FAT16 with one table': { options: '-F 16 -f 1 -s 4', size: 60 * MIB, bits: 16 },
  'FAT32 as an EFI system partition': { options: '-F 32 -s 1', size: 64 * MIB, bits: 32 },
  'FAT32 with sectors of 4096 bytes': {
    options: '-F 32 -S 4096',
    size: 300 * MIB,
    bits: 32,
    sectorSize: 4096,
  },
};

for (const [name, { options, size, bits, sectorSize = 512 }] of Object.entries(VARIANTS)) {
  test(`a ${name} is copied with names, attributes, times and contents, without its free space`, async (t) => {
    const bench = openWorkbench(t);
    const sourceFile = bench.file('source', size);
    await run([
      'mkfs.fat',
      '-i',
      'C0FFEE42',
      '-n',
      'TEST LABEL',
      ...options.split(' '),
      sourceFile,
    ] as Command);
    await addBootCode(sourceFile);
    await fillWithFiles(bench, sourceFile);
    const source = await bench.loop(sourceFile, { sectorSize, readOnly: true });
    const destinationFile = bench.file('destination', size);
    const destination = await bench.loop(destinationFile, { sectorSize });

    const fileSystem = await recogniseFileSystem(source, { session: bench.session });
    assert.deepEqual([fileSystem.type, fileSystem.how], ['vfat', 'files'], fileSystem.notes.join());
    assert.deepEqual([fileSystem.uuid, fileSystem.label], ['C0FF-EE42', 'TEST LABEL']);
    await fileSystem.create(destination, bench.context);
    await run(['fsck.fat', '-n', destinationFile]);
    await fileSystem.copy(source, destination, bench.context);

    await run(['fsck.fat', '-n', destinationFile]);
    const { stdout } = await run(['blkid', '-p', '-o', 'udev', destination]);
    assert.ok(stdout.includes(`ID_FS_VERSION=FAT${bits}`));
    for (const show of [
      readBootSector,
      readListing,
      readAttributes,
      (image: string) => readContents(bench, image),
    ]) {
      assert.deepEqual(await show(destinationFile), await show(sourceFile));
    }
    assert.equal((await readListing(destinationFile)).includes('Grüße'), true);
    assert.ok((await allocatedBytes(destinationFile)) <= fileSystem.usedBytes * 1.15 + 256 * KIB);
    assert.deepEqual(bench.warnings, []);
  });
}

test('times of creation and access and short names are carried', async (t) => {
  const bench = openWorkbench(t);
  const image = await smallVolume(bench);
  const local = join(bench.folder, 'local');
  await writeFile(local, 'x');
  await run(['mcopy', '-i', image, local, '::CREATED.TXT']);
  const wanted = { case: 0x18, tenths: 0x63, creation: 0x5a215a21, access: 0x5b42 };
  await changeEntry(image, 'CREATED TXT', (entry) => {
    entry.writeUInt8(wanted.case, 12);
    entry.writeUInt8(wanted.tenths, 13);
    entry.writeUInt32LE(wanted.creation, 14);
    entry.writeUInt16LE(wanted.access, 18);
  });
  const copy = await copyVolume(bench, image);
  await changeEntry(copy, 'CREATED TXT', (entry) => {
    assert.equal(entry.readUInt8(12), wanted.case);
    assert.equal(entry.readUInt8(13), wanted.tenths);
    assert.equal(entry.readUInt32LE(14), wanted.creation);
    assert.equal(entry.readUInt16LE(18), wanted.access);
  });
});

test('a volume that was not unmounted is copied, and this is said', async (t) => {
  const bench = openWorkbench(t);
  const image = await smallVolume(bench);
  await change(image, 512 * 32 + 7, (byte) => byte & 0xf7);
  const fileSystem = await recogniseFileSystem(image);
  assert.equal(fileSystem.how, 'files');
  assert.match(fileSystem.notes.join(), /not unmounted/);
});

test('a volume whose files share clusters is copied as sectors, naming the file', async (t) => {
  const bench = openWorkbench(t);
  const image = await smallVolume(bench);
  const local = join(bench.folder, 'local');
  await writeFile(local, randomBytes(4000));
  await run(['mcopy', '-i', image, local, '::ONE.TXT']);
  await run(['mcopy', '-i', image, local, '::TWO.TXT']);
  let cluster = 0;
  await changeEntry(image, 'ONE     TXT', (entry) => {
    cluster = entry.readUInt16LE(26);
  });
  await changeEntry(image, 'TWO     TXT', (entry) => entry.writeUInt16LE(cluster, 26));
  const fileSystem = await recogniseFileSystem(image);
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /TWO\.TXT.*another file/);
});

test('a file that is longer than its clusters makes the volume be copied as sectors', async (t) => {
  const bench = openWorkbench(t);
  const image = await smallVolume(bench);
  const local = join(bench.folder, 'local');
  await writeFile(local, 'short');
  await run(['mcopy', '-i', image, local, '::SHORT.TXT']);
  await changeEntry(image, 'SHORT   TXT', (entry) => entry.writeUInt32LE(1_000_000, 28));
  const fileSystem = await recogniseFileSystem(image);
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /SHORT\.TXT/);
});

test('a boot sector that claims more than the partition makes it be copied as sectors', async (t) => {
  const bench = openWorkbench(t);
  const image = await smallVolume(bench);
  await change(image, 34, (byte) => byte + 1);
  const fileSystem = await recogniseFileSystem(image);
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /boot sector/);
});

test('a FAT volume is not made on a device that is too small', async (t) => {
  const bench = openWorkbench(t);
  const fileSystem = await recogniseFileSystem(await smallVolume(bench));
  const destination = await bench.loop(bench.file('destination', 16 * KIB));
  await assert.rejects(() => fileSystem.create(destination, bench.context), { code: 'UNSUITABLE' });
});

test('a copy of a FAT volume stops when it is aborted', async (t) => {
  const abort = new AbortController();
  const bench = openWorkbench(t, abort.signal);
  const image = await smallVolume(bench);
  const local = join(bench.folder, 'local');
  await writeFile(local, randomBytes(4 * MIB));
  await run(['mcopy', '-i', image, local, '::LARGE.BIN']);
  const fileSystem = await recogniseFileSystem(image);
  const destination = bench.file('destination', 64 * MIB);
  await fileSystem.create(destination, bench.context);
  const context = { ...bench.context, onProgress: () => abort.abort() };
  await assert.rejects(() => fileSystem.copy(image, destination, context), { name: 'AbortError' });
});

async function smallVolume(bench: Workbench): Promise<string> {
  const image = bench.file('source', 64 * MIB);
  await run(['mkfs.fat', '-F', '32', '-s', '1', image]);
  return image;
}

async function copyVolume(bench: Workbench, image: string): Promise<string> {
  const fileSystem = await recogniseFileSystem(image);
  const destination = bench.file('copy', fileSystem.size);
  await fileSystem.create(destination, bench.context);
  await fileSystem.copy(image, destination, bench.context);
  return destination;
}

/** Files of many kinds, in pieces, between names that were deleted, with junk in the free space. */
async function fillWithFiles(bench: Workbench, image: string): Promise<void> {
  const tree = join(bench.folder, 'tree');
  await mkdir(join(tree, 'EFI', 'debian'), { recursive: true });
  await mkdir(join(tree, 'a folder with a long name', 'ünïcödé – 日本語'), { recursive: true });
  const files: Record<string, Buffer> = {
    'EFI/debian/grubx64.efi': randomBytes(100_000),
    'EFI/debian/empty': Buffer.alloc(0),
    'EFI/debian/zeros': Buffer.alloc(70_000),
    'a folder with a long name/ünïcödé – 日本語/Grüße 🚀.txt': Buffer.from('hello'),
    'MixedCase.Txt': Buffer.from('mixed'),
    'README.TXT': randomBytes(513),
  };
  for (const [path, content] of Object.entries(files)) await writeFile(join(tree, path), content);
  for (let number = 0; number < 60; number++) {
    await writeFile(join(tree, 'EFI', `a rather long file name, number ${number}`), randomBytes(700));
  }
  await run(['mcopy', '-s', '-m', '-i', image, ...(await entriesOf(tree)), '::']);
  // Every second file is deleted; what comes next fills these gaps and so is in pieces.
  for (let number = 0; number < 60; number += 2) {
    await run(['mdel', '-i', image, `::EFI/a rather long file name, number ${number}`]);
  }
  const pieces = join(bench.folder, 'pieces');
  await writeFile(pieces, randomBytes(60_000));
  await run(['mcopy', '-i', image, pieces, '::in pieces']);
  await fillFreeSpace(bench, image);
  await run(['mattrib', '-i', image, '+h', '+s', '+r', '-a', '::README.TXT']);
  await run(['mattrib', '-i', image, '+h', '::a folder with a long name']);
}

async function entriesOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).map((name) => join(folder, name));
}

async function fillFreeSpace(bench: Workbench, image: string): Promise<void> {
  const { stdout } = await run(['mdir', '-i', image, '::']);
  const free = Number(/([\d ]+) bytes free/.exec(stdout)?.[1]?.replaceAll(' ', ''));
  const junk = join(bench.folder, 'junk');
  await writeFile(junk, randomBytes(free));
  await run(['mcopy', '-i', image, junk, '::junk']);
  await run(['mdel', '-i', image, '::junk']);
  await rm(junk);
}

async function addBootCode(image: string): Promise<void> {
  await change(image, 400, () => 0xeb);
}

async function readBootSector(image: string): Promise<string> {
  return (await readFile(image)).toString('hex', 0, 512);
}

/** Names in both forms, sizes, times of modification. */
async function readListing(image: string): Promise<string> {
  const { stdout } = await run(['mdir', '-/', '-a', '-i', image, '::']);
  // The twin has more room: folders do not keep the places of deleted names.
  return stdout.replace(/[\d ]+ bytes free/, '');
}

async function readAttributes(image: string): Promise<string> {
  const { stdout } = await run(['mattrib', '-/', '-i', image, '::']);
  return stdout;
}

async function readContents(bench: Workbench, image: string): Promise<string[]> {
  const folder = join(bench.folder, 'out');
  await mkdir(folder);
  await run(['mcopy', '-s', '-n', '-i', image, '::*', folder]);
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const hashes: string[] = [];
  for (const name of names.sort()) {
    hashes.push(
      `${createHash('sha256')
        .update(await readFile(name))
        .digest('hex')} ${name}`,
    );
  }
  await rm(folder, { recursive: true });
  return hashes;
}

/** Finds a short entry anywhere in a volume by its name, and may change it. */
async function changeEntry(image: string, name: string, work: (entry: Buffer) => void): Promise<void> {
  const file = await open(image, 'r+');
  const content = await file.readFile();
  const offset = content.indexOf(name, 0, 'latin1');
  assert.notEqual(offset, -1);
  const entry = content.subarray(offset, offset + 32);
  work(entry);
  await file.write(entry, 0, 32, offset);
  await file.close();
}

async function change(image: string, offset: number, work: (byte: number) => number): Promise<void> {
  const file = await open(image, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, offset);
  buffer.writeUInt8(work(buffer.readUInt8(0)) & 0xff, 0);
  await file.write(buffer, 0, 1, offset);
  await file.close();
}

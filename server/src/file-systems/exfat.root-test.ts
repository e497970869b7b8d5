import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { recogniseFileSystem } from './recognise.ts';
import { allocatedBytes, openWorkbench, type Workbench } from './test-devices.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
const LONG_NAME = 'ü'.repeat(126);

let mounts = 0;

/** By FUSE: many kernels have no exFAT. */
async function mountExfat(bench: Workbench, device: string, options = 'noatime'): Promise<string> {
  const path = join(bench.folder, `exfat-${mounts++}`);
  await mkdir(path);
  bench.session.hold({ kind: 'mount', path });
  await run(['mount', '-t', 'exfat-fuse', '-o', options, device, path]);
  return path;
}

async function makeVolume(
  bench: Workbench,
  work: (folder: string) => Promise<void>,
  sectorSize = 512,
): Promise<string> {
  const device = await bench.loop(bench.file('source', SIZE), { sectorSize });
  await run(['mkfs.exfat', '--volume-label=Größe', '--cluster-size=4096', device]);
  const folder = await mountExfat(bench, device);
  await work(folder);
  await bench.unmount(folder);
  return device;
}

/** Files in pieces between deleted ones, long names, empty files and folders, old and new times. */
async function fillVolume(folder: string): Promise<void> {
  await mkdir(join(folder, 'DCIM', 'empty folder'), { recursive: true });
  await mkdir(join(folder, 'many'));
  for (let number = 0; number < 300; number++) {
    await writeFile(join(folder, 'many', `file number ${number}`), randomBytes(number % 7 === 0 ? 0 : 6000));
  }
  for (let number = 1; number < 300; number += 2) await rm(join(folder, 'many', `file number ${number}`));
  const [one, two] = [
    await open(join(folder, 'in pieces'), 'w'),
    await open(join(folder, 'in pieces too'), 'w'),
  ];
  for (let piece = 0; piece < 40; piece++) {
    await one.write(randomBytes(8192));
    await two.write(randomBytes(8192));
  }
  await one.close();
  await two.close();
  await writeFile(join(folder, 'large'), randomBytes(3 * MIB + 17));
  await writeFile(join(folder, LONG_NAME), 'long');
  await writeFile(join(folder, 'Grüße 🚀'), 'hello');
  await utimes(join(folder, 'Grüße 🚀'), 1_000_000_000, 400_000_000);
  await utimes(join(folder, 'large'), 4_000_000_000, 4_200_000_000);
}

async function describe(bench: Workbench, device: string): Promise<string[]> {
  const folder = await mountExfat(bench, device, 'ro,noatime');
  // Folders are packed: their own sizes may become smaller.
  const printed = ['-type', 'd', '-printf', '%P %T@ %A@\\n', '-o', '-printf', '%P %s %T@ %A@\\n'];
  const { stdout } = await run(['find', '.', ...printed], { cwd: folder });
  const lines = stdout.split('\n').filter((line) => !line.startsWith(' '));
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const hash = createHash('sha256').update(await readFile(join(entry.parentPath, entry.name)));
    lines.push(`${entry.name} ${hash.digest('hex')}`);
  }
  await bench.unmount(folder);
  return lines.sort();
}

test('an exFAT volume is the same on a device of any size and any sectors', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeVolume(bench, fillVolume);
  const expected = await describe(bench, source);
  assert.ok(expected.length > 300);
  const fileSystem = await recogniseFileSystem(source);
  assert.equal(fileSystem.how, 'files');
  assert.deepEqual(fileSystem.notes, []);
  for (const [bytes, sectorSize] of [
    [SIZE, 512],
    [3 * SIZE, 512],
    [SIZE / 2, 512],
    [fileSystem.smallestBytes, 512],
    [SIZE, 4096],
    [SIZE / 2, 4096],
  ] as const) {
    const what = `${bytes} bytes, sectors of ${sectorSize}`;
    const copy = await bench.loop(bench.file(`copy-${bytes}-${sectorSize}`, bytes), { sectorSize });
    await fileSystem.create(copy, bench.context);
    await fileSystem.copy(source, copy, bench.context);
    await run(['fsck.exfat', '-n', copy]);
    assert.deepEqual(await describe(bench, copy), expected, what);
    assert.deepEqual(await fileSystem.verify(source, copy, bench.context), [], what);
    const { uuid, label } = await recogniseFileSystem(copy);
    assert.deepEqual([uuid, label], [fileSystem.uuid, 'Größe']);
  }
});

test('an exFAT volume comes from sectors of 4096 bytes onto sectors of 512 bytes', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeVolume(bench, fillVolume, 4096);
  const fileSystem = await recogniseFileSystem(source);
  const copy = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(copy, bench.context);
  await fileSystem.copy(source, copy, bench.context);
  await run(['fsck.exfat', '-n', copy]);
  assert.deepEqual(await describe(bench, copy), await describe(bench, source));
  const tooSmall = await bench.loop(bench.file('small', 2 * MIB));
  await assert.rejects(() => fileSystem.create(tooSmall, bench.context), { code: 'UNSUITABLE' });
});

test('free space of an exFAT volume stays behind, and old data of the destination too', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeVolume(bench, async (folder) => {
    await writeFile(join(folder, 'deleted'), Buffer.alloc(20 * MIB, 'JUNK'));
    // Of this file system alone: other tests of this moment make crashed disks, which a commit would put right.
    await run(['sync', '--file-system', folder]);
    await rm(join(folder, 'deleted'));
    await writeFile(join(folder, 'zeros'), Buffer.alloc(100_000));
  });
  const fileSystem = await recogniseFileSystem(source);
  const sparse = bench.file('sparse', SIZE);
  const onSparse = await bench.loop(sparse);
  await fileSystem.create(onSparse, bench.context);
  await fileSystem.copy(source, onSparse, bench.context);
  assert.ok((await allocatedBytes(sparse)) < 2 * MIB);
  const used = bench.file('used', SIZE);
  await writeFile(used, Buffer.alloc(SIZE, 'OLD-DATA'));
  const onUsed = await bench.loop(used);
  const context = { ...bench.context, zeroed: false };
  await fileSystem.create(onUsed, context);
  await fileSystem.copy(source, onUsed, context);
  await run(['fsck.exfat', '-n', onUsed]);
  assert.deepEqual(await fileSystem.verify(source, onUsed, context), []);
  assert.deepEqual(await describe(bench, onUsed), await describe(bench, source));
});

test('a comparison names what is altered in a copy of an exFAT volume', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeVolume(bench, fillVolume);
  const fileSystem = await recogniseFileSystem(source);
  const copy = await bench.loop(bench.file('copy', SIZE));
  await fileSystem.create(copy, bench.context);
  await fileSystem.copy(source, copy, bench.context);
  const folder = await mountExfat(bench, copy);
  const file = await open(join(folder, 'large'), 'r+');
  await file.write('other', 2 * MIB);
  await file.close();
  await rm(join(folder, 'many', 'file number 4'));
  await appendFile(join(folder, LONG_NAME), 'er');
  await utimes(join(folder, 'in pieces'), 1, 1_500_000_000);
  await writeFile(join(folder, 'new'), '');
  await bench.unmount(folder);
  const found = await fileSystem.verify(source, copy, bench.context);
  const names = new Set(found.map(({ path, property }) => `${path}: ${property}`));
  for (const name of [
    'large: content',
    'many/file number 4: existence',
    `${LONG_NAME}: entries`,
    'in pieces: entries',
    'new: existence',
  ]) {
    assert.ok(names.has(name), `${name} not in ${[...names].join('\n')}`);
  }
});

test('an exFAT volume with a damaged entry is copied as sectors', async (t) => {
  const bench = openWorkbench(t);
  const source = await makeVolume(bench, (folder) => writeFile(join(folder, 'damaged'), 'contents'));
  // On the device, not in the file behind it: of that, the kernel may remember what was read before.
  const offset = (await readFile(source)).indexOf(Buffer.from('damaged', 'utf16le'));
  assert.notEqual(offset, -1);
  const file = await open(source, 'r+');
  await file.write('D', offset);
  await file.close();
  const fileSystem = await recogniseFileSystem(source);
  assert.equal(fileSystem.how, 'sectors');
  assert.match(fileSystem.notes.join(), /entry in the folder \/ is damaged/);
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { copyTree, type TreeEnds } from '../file-systems/copy-tree.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';

const MIB = 1024 * 1024;

async function makeFolders(bench: Workbench, options: string): Promise<TreeEnds> {
  const make = async (name: string): Promise<string> => {
    const device = await bench.loop(bench.file(name, 320 * MIB));
    if (options === 'xfs') await run(['mkfs.xfs', '-q', device]);
    else await run(['mke2fs', '-q', '-F', '-E', 'lazy_itable_init=1', ...options.split(' '), device]);
    return device;
  };
  const sourceDevice = await make('source');
  const destination = await bench.mount(await make('destination'));
  return { source: await bench.mount(sourceDevice), destination, sourceDevice };
}

/** Mounts the source anew, as transfers do: read-only, and with nothing of it in memory. */
async function reopen(bench: Workbench, { source, sourceDevice, destination }: TreeEnds): Promise<TreeEnds> {
  await bench.unmount(source);
  return { source: await bench.mount(sourceDevice, 'ro'), sourceDevice, destination };
}

test('a rich tree is copied without a difference where folders do not tell the types of files', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4 -O ^filetype');
  const { source, destination } = ends;
  await makeRichTree(source);
  const again = await reopen(bench, ends);
  await copyTree(again, bench.context);
  assert.deepEqual(await compareTrees(again.source, destination, { accessTimes: false }), []);
  assert.deepEqual(bench.warnings, []);
});

test('paths that are longer than the kernel takes are copied, hard links in their depth too', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4');
  const { source, destination } = ends;
  const make =
    'for n in $(seq 30); do mkdir "$0" && cd -P "$0" || exit 1; done; echo deep > one; ln one two; chattr +i one';
  await run(['sh', '-c', make, 'n'.repeat(200)], { cwd: source });
  await copyTree(await reopen(bench, ends), bench.context);
  const look =
    'for n in $(seq 30); do cd -P "$0" || exit 1; done; cat two; stat -c %h one; lsattr -d two | cut -c5';
  const { stdout } = await run(['sh', '-c', look, 'n'.repeat(200)], { cwd: destination });
  assert.deepEqual(stdout.split('\n'), ['deep', '2', 'i', '']);
});

test('links and files of folders that pass a project on are copied although links between projects are forbidden', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, 'xfs');
  const { source, destination } = ends;
  const at = (...parts: string[]): string => join(source, ...parts);
  await mkdir(at('project'));
  await run(['chattr', '-p', '7', '+P', at('project')]);
  await writeFile(at('project', 'one'), 'counts for 7');
  await run(['ln', at('project', 'one'), at('project', 'two')]);
  await copyTree(await reopen(bench, ends), bench.context);
  const names = ['project', 'project/one', 'project/two'];
  const { stdout } = await run(['lsattr', '-d', '-p', ...names], { cwd: destination });
  assert.deepEqual(stdout.match(/^ *\d+/gm)?.map(Number), [7, 7, 7], stdout);
  assert.equal((await lstat(join(destination, 'project/two'))).nlink, 2);
});

test('a folder of more files than are sorted at once is copied whole', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4 -N 40000');
  const { source, destination } = ends;
  // 255 bytes a name: 1 MiB of entries are some 3,700 of them.
  const make = 'for n in $(seq 9000); do printf "%s\\0" "$0$(printf %05d $n)"; done | xargs -0 touch';
  await run(['sh', '-c', make, 'n'.repeat(250)], { cwd: source });
  const again = await reopen(bench, ends);
  await copyTree(again, bench.context);
  const names = async (folder: string): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.startsWith('n')).sort();
  assert.deepEqual(await names(destination), await names(again.source));
  assert.equal((await names(destination)).length, 9000);
});

test('what is mounted inside is not entered', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4');
  const { source, destination } = ends;
  await mkdir(join(source, 'point'));
  const other = await bench.loop(bench.file('other', 8 * MIB));
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', other]);
  const again = await reopen(bench, ends);
  const path = join(again.source, 'point');
  bench.session.hold({ kind: 'mount', path });
  await run(['mount', other, path]);
  await writeFile(join(path, 'foreign'), 'of another file system');
  await copyTree(again, bench.context);
  assert.deepEqual(await readdir(join(destination, 'point')), []);
  await bench.unmount(path);
});

test('blocks that were reserved but never written are not copied', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4');
  const { source, destination } = ends;
  await run(['fallocate', '--length', String(64 * MIB), join(source, 'reserved')]);
  await truncate(join(source, 'reserved'), 65 * MIB);
  await copyTree(await reopen(bench, ends), bench.context);
  const { size, blocks } = await lstat(join(destination, 'reserved'));
  assert.deepEqual([size, blocks], [65 * MIB, 0]);
});

test('every file that cannot be copied is counted, and the first is named', async (t) => {
  const bench = openWorkbench(t);
  const ends = await makeFolders(bench, '-t ext4');
  const { source, destination } = ends;
  // Something else stands where a folder and a file shall be made.
  await mkdir(join(source, 'folder'));
  await writeFile(join(source, 'folder', 'inside'), 'left out');
  await writeFile(join(source, 'file'), 'new');
  await writeFile(join(source, 'good'), 'good');
  await symlink('elsewhere', join(destination, 'folder'));
  await writeFile(join(destination, 'file'), 'old');
  await assert.rejects(async () => copyTree(await reopen(bench, ends), bench.context), {
    code: 'READ_FAILED',
    message: /cannot copy '\/file': File exists, and 1 more problem/,
  });
  assert.equal(await readFile(join(destination, 'good'), 'utf8'), 'good');
  assert.equal(await readFile(join(destination, 'file'), 'utf8'), 'old');
});

for (const kind of ['-t ext4', '-t ext4 -O inline_data', '-t ext2', '-t ext4 -b 1024', 'xfs']) {
  test(`small files of ${kind} are asked for together, and are the same`, async (t) => {
    const bench = openWorkbench(t);
    const ends = await makeFolders(bench, kind);
    const folder = join(ends.source, 'folder');
    await mkdir(folder);
    const bytes = randomBytes(MIB);
    // By one thread: ext2 gives each thread another part of a group to begin in (ext2_find_near), and asynchronous writes
    // are done by several.
    for (let number = 0; number < 2000; number++) {
      const start = number * 100;
      writeFileSync(join(folder, `file ${number}`), bytes.subarray(start, start + ((number * 37) % 9000)));
    }
    // Two that lie in several pieces, and one that is written in part.
    for (const name of ['left', 'right']) await writeFile(join(folder, name), '');
    for (let at = 0; at < 64 * 4096; at += 4096) {
      for (const name of ['left', 'right']) {
        const piece = bytes.subarray(at, at + 4096);
        await writeFile(join(folder, name), piece, { flag: 'a', flush: true });
      }
    }
    const reserved = await open(join(folder, 'reserved'), 'w');
    await reserved.write(bytes, 0, 8192);
    await reserved.close();
    if (kind !== '-t ext2') {
      await run(['fallocate', '--keep-size', '--length', '65536', join(folder, 'reserved')]);
      await truncate(join(folder, 'reserved'), 65_536);
    }
    const again = await reopen(bench, ends);
    const before = await readsOf(again.sourceDevice);
    await copyTree(again, bench.context);
    const reads = (await readsOf(again.sourceDevice)) - before;
    assert.ok(reads < 600, `${reads} requests for 2000 files`);
    const differences = await compareTrees(again.source, again.destination, { accessTimes: false });
    // What is reserved in a small file is written as zeros.
    assert.deepEqual(
      differences.filter(({ path, property }) => path !== 'folder/reserved' || property !== 'holes'),
      [],
    );
    assert.deepEqual(bench.warnings, []);
  });
}

/** How many requests have read from a device: the first field of Documentation/block/stat.rst. */
async function readsOf(device: string): Promise<number> {
  const text = await readFile(`/sys/block/${basename(device)}/stat`, 'utf8');
  return Number(text.trim().split(/\s+/)[0]);
}

import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { compareTrees } from '../compare/compare-trees.ts';
import { makeRichTree } from '../compare/rich-tree.ts';
import { copyTree } from '../file-systems/copy-tree.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';

const MIB = 1024 * 1024;

interface Folders {
  readonly source: string;
  readonly destination: string;
}

async function makeFolders(bench: Workbench, options: string): Promise<Folders> {
  const mounted = async (name: string): Promise<string> => {
    const device = await bench.loop(bench.file(name, 320 * MIB));
    if (options === 'xfs') await run(['mkfs.xfs', '-q', device]);
    else await run(['mke2fs', '-q', '-F', '-E', 'lazy_itable_init=1', ...options.split(' '), device]);
    return bench.mount(device);
  };
  return { source: await mounted('source'), destination: await mounted('destination') };
}

test('a rich tree is copied without a difference where folders do not tell the types of files', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4 -O ^filetype');
  await makeRichTree(source);
  await copyTree(source, destination, bench.context);
  assert.deepEqual(await compareTrees(source, destination, { accessTimes: false }), []);
  assert.deepEqual(bench.warnings, []);
});

test('paths that are longer than the kernel takes are copied, hard links in their depth too', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4');
  const make =
    'for n in $(seq 30); do mkdir "$0" && cd -P "$0" || exit 1; done; echo deep > one; ln one two; chattr +i one';
  await run(['sh', '-c', make, 'n'.repeat(200)], { cwd: source });
  await copyTree(source, destination, bench.context);
  const look =
    'for n in $(seq 30); do cd -P "$0" || exit 1; done; cat two; stat -c %h one; lsattr -d two | cut -c5';
  const { stdout } = await run(['sh', '-c', look, 'n'.repeat(200)], { cwd: destination });
  assert.deepEqual(stdout.split('\n'), ['deep', '2', 'i', '']);
  const release = 'for n in $(seq 30); do cd -P "$0" || exit 1; done; chattr -i one';
  for (const cwd of [source, destination]) await run(['sh', '-c', release, 'n'.repeat(200)], { cwd });
});

test('links and files of folders that pass a project on are copied although links between projects are forbidden', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, 'xfs');
  const at = (...parts: string[]): string => join(source, ...parts);
  await mkdir(at('project'));
  await run(['chattr', '-p', '7', '+P', at('project')]);
  await writeFile(at('project', 'one'), 'counts for 7');
  await run(['ln', at('project', 'one'), at('project', 'two')]);
  await copyTree(source, destination, bench.context);
  const names = ['project', 'project/one', 'project/two'];
  const { stdout } = await run(['lsattr', '-d', '-p', ...names], { cwd: destination });
  assert.deepEqual(stdout.match(/^ *\d+/gm)?.map(Number), [7, 7, 7], stdout);
  assert.equal((await lstat(join(destination, 'project/two'))).nlink, 2);
});

test('a folder of more files than are sorted at once is copied whole', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4 -N 40000');
  // 255 bytes a name: 1 MiB of entries are some 3,700 of them.
  const make = 'for n in $(seq 9000); do printf "%s\\0" "$0$(printf %05d $n)"; done | xargs -0 touch';
  await run(['sh', '-c', make, 'n'.repeat(250)], { cwd: source });
  await copyTree(source, destination, bench.context);
  const names = async (folder: string): Promise<string[]> =>
    (await readdir(folder)).filter((name) => name.startsWith('n')).sort();
  assert.deepEqual(await names(destination), await names(source));
  assert.equal((await names(destination)).length, 9000);
});

test('what is mounted inside is not entered', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4');
  await mkdir(join(source, 'point'));
  const other = await bench.loop(bench.file('other', 8 * MIB));
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', other]);
  const path = join(source, 'point');
  bench.session.hold({ kind: 'mount', path });
  await run(['mount', other, path]);
  await writeFile(join(path, 'foreign'), 'of another file system');
  await copyTree(source, destination, bench.context);
  assert.deepEqual(await readdir(join(destination, 'point')), []);
  await bench.unmount(path);
});

test('blocks that were reserved but never written are not copied', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4');
  await run(['fallocate', '--length', String(64 * MIB), join(source, 'reserved')]);
  await truncate(join(source, 'reserved'), 65 * MIB);
  await copyTree(source, destination, bench.context);
  const { size, blocks } = await lstat(join(destination, 'reserved'));
  assert.deepEqual([size, blocks], [65 * MIB, 0]);
});

test('every file that cannot be copied is counted, and the first is named', async (t) => {
  const bench = openWorkbench(t);
  const { source, destination } = await makeFolders(bench, '-t ext4');
  // Something else stands where a folder and a file shall be made.
  await mkdir(join(source, 'folder'));
  await writeFile(join(source, 'folder', 'inside'), 'left out');
  await writeFile(join(source, 'file'), 'new');
  await writeFile(join(source, 'good'), 'good');
  await symlink('elsewhere', join(destination, 'folder'));
  await writeFile(join(destination, 'file'), 'old');
  await assert.rejects(() => copyTree(source, destination, bench.context), {
    code: 'READ_FAILED',
    message: /cannot copy '\/file': File exists, and 1 more problem/,
  });
  assert.equal(await readFile(join(destination, 'good'), 'utf8'), 'good');
  assert.equal(await readFile(join(destination, 'file'), 'utf8'), 'old');
});

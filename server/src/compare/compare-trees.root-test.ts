import assert from 'node:assert/strict';
import { appendFile, link, open, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { run } from '@diskferry/system/run';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import { openWorkbench, type Workbench } from '../file-systems/test-devices.ts';
import { compareTrees, type Difference } from './compare-trees.ts';
import { makeRichTree, STRANGE_NAMES } from './rich-tree.ts';

const SIZE = 300 * 1024 * 1024;
const ONE_FILE = 'folder/deep/one of many files, number';

interface Alteration {
  readonly path: string;
  readonly property: string;
  /** Changes that one property in the copy. Times that change with it are put right afterwards. */
  readonly alter: (path: string) => Promise<unknown>;
}

const ALTERATIONS: readonly Alteration[] = [
  { path: '.', property: 'mode', alter: (path) => run(['chmod', '0700', path]) },
  { path: '.', property: 'attribute user.root', alter: (path) => removeAttribute(path, 'user.root') },
  { path: `${ONE_FILE} 1`, property: 'content', alter: (path) => overwrite(path, 0, '2') },
  { path: `${ONE_FILE} 2`, property: 'existence', alter: (path) => rm(path) },
  { path: `${ONE_FILE} 3`, property: 'type', alter: replaceByFifo },
  { path: 'folder/new', property: 'existence', alter: (path) => writeFile(path, '') },
  { path: 'setuid', property: 'mode', alter: (path) => run(['chmod', 'u-s', path]) },
  { path: 'setgid', property: 'mode', alter: (path) => run(['chmod', 'g-s', path]) },
  { path: 'sticky', property: 'mode', alter: (path) => run(['chmod', '-t', path]) },
  { path: 'closed', property: 'mode', alter: (path) => run(['chmod', '0001', path]) },
  { path: 'fifo', property: 'mode', alter: (path) => run(['chmod', '0644', path]) },
  { path: 'folder', property: 'mode', alter: (path) => run(['chmod', 'g-s', path]) },
  { path: 'socket', property: 'owner', alter: (path) => run(['chown', '9', path]) },
  { path: 'folder/broken link', property: 'owner', alter: (path) => run(['chown', '-h', '9', path]) },
  { path: 'folder/deep/deeper', property: 'group', alter: (path) => run(['chgrp', '9', path]) },
  { path: 'folder/deep/deeper/large', property: 'size', alter: (path) => appendFile(path, 'x') },
  { path: 'zeros that are data', property: 'holes', alter: (path) => run(['fallocate', '-d', path]) },
  { path: 'sparse', property: 'holes', alter: (path) => overwrite(path, 64 * 1024, '\0'.repeat(4096)) },
  {
    path: 'sparse of one terabyte',
    property: 'content',
    alter: (path) => overwrite(path, 300 * 1024 ** 3, 'X'),
  },
  { path: 'long link', property: 'link target', alter: replaceLink },
  { path: 'character device', property: 'device number', alter: replaceDevice },
  { path: 'linked two', property: 'hard links', alter: separate },
  { path: 'alone two', property: 'hard links', alter: joinWithAloneOne },
  {
    path: 'capable',
    property: 'attribute security.capability',
    alter: (path) => run(['setcap', 'cap_net_admin+ep', path]),
  },
  {
    path: 'listed',
    property: 'attribute system.posix_acl_access',
    alter: (path) => run(['setfacl', '-n', '-x', 'u:1001', path]),
  },
  {
    path: 'folder/deep',
    property: 'attribute system.posix_acl_default',
    alter: (path) => run(['setfacl', '-n', '-m', 'd:u:1004:r', path]),
  },
  { path: 'folder', property: 'attribute user.text', alter: (path) => setAttribute(path, 'user.text') },
  { path: 'folder', property: 'attribute user.more', alter: (path) => setAttribute(path, 'user.more') },
  {
    path: 'fifo',
    property: 'attribute trusted.secret',
    alter: (path) => removeAttribute(path, 'trusted.secret'),
  },
  {
    path: 'socket',
    property: 'attribute security.selinux',
    alter: (path) => setAttribute(path, 'security.selinux'),
  },
  { path: 'empty', property: 'inode flags', alter: (path) => run(['chattr', '-d', path]) },
  { path: 'immutable', property: 'inode flags', alter: (path) => run(['chattr', '-i', path]) },
  { path: 'empty folder', property: 'inode flags', alter: (path) => run(['chattr', '-D', path]) },
];

/** Altered after the others, which put the times of what they alter right. */
const TIME_ALTERATIONS: readonly Alteration[] = [
  { path: 'folder/broken link', property: 'modification time', alter: (path) => touch(path, '-m') },
  { path: 'fifo', property: 'access time', alter: (path) => touch(path, '-a') },
  { path: `${ONE_FILE} 4`, property: 'access time', alter: (path) => touch(path, '-a') },
  { path: 'sparse', property: 'modification time', alter: (path) => touch(path, '-m') },
  { path: 'folder/deep', property: 'modification time', alter: (path) => touch(path, '-m') },
  { path: 'folder', property: 'access time', alter: (path) => touch(path, '-a') },
  { path: '.', property: 'modification time', alter: (path) => touch(path, '-m') },
];

test('a copy by the ext driver has no difference, and each property that is altered in it is found', async (t) => {
  const { source, copy } = await copyRichTree(openWorkbench(t));
  assert.deepEqual(await compareTrees(source, copy), []);

  const expected: string[] = [];
  for (const { path, property, alter } of [...ALTERATIONS, ...TIME_ALTERATIONS]) {
    await alter(join(copy, path));
    if (!property.endsWith(' time')) await putTimesRight(source, copy, path);
    expected.push(`${path}: ${property}`);
    assert.deepEqual(summaryOf(await compareTrees(source, copy)), expected.toSorted());
  }
});

test('a name that differs in one byte that is not UTF-8 is found', async (t) => {
  const { source, copy } = await copyRichTree(openWorkbench(t));
  const otherName = Buffer.from(STRANGE_NAMES.notUtf8.map((byte) => (byte === 0xfe ? 0xfd : byte)));
  const inCopy = (name: Buffer): Buffer => Buffer.concat([Buffer.from(`${copy}/`), name]);
  await rename(inCopy(STRANGE_NAMES.notUtf8), inCopy(otherName));
  await putTimesRight(source, copy, '.');
  assert.deepEqual(
    summaryOf(await compareTrees(source, copy)),
    [otherName, STRANGE_NAMES.notUtf8].map((name) => `${name.toString('latin1')}: existence`),
  );
});

test('the program prints the differences and ends with 1, or with 0 when there are none', async (t) => {
  const bench = openWorkbench(t);
  const program = join(import.meta.dirname, 'main.ts');
  const [a, b] = [join(bench.folder, 'a'), join(bench.folder, 'b')];
  await run(['mkdir', a, b]);
  await writeFile(join(a, 'file'), 'one');
  await writeFile(join(b, 'file'), 'two');
  await run(['touch', '-r', join(a, 'file'), join(b, 'file')]);
  await run(['touch', '-r', a, b]);
  const compare = [process.execPath, program, '--no-access-times'] as const;
  const different = await run([...compare, a, b], { okExitCodes: [1] });
  assert.match(different.stdout, /^"file": content: [0-9a-f]{64} \| [0-9a-f]{64}\n$/);
  assert.equal((await run([...compare, a, a])).stdout, '');
  const missing = await run([...compare, a, join(b, 'missing')], { okExitCodes: [2] });
  assert.match(missing.stderr, /ENOENT/);
});

async function copyRichTree(bench: Workbench): Promise<{ source: string; copy: string }> {
  const from = await bench.loop(bench.file('source', SIZE));
  const to = await bench.loop(bench.file('copy', SIZE));
  await run(['mke2fs', '-q', '-t', 'ext4', '-b', '4096', from]);
  const filled = await bench.mount(from);
  await makeRichTree(filled);
  await bench.unmount(filled);
  const fileSystem = await recogniseFileSystem(from, { session: bench.session });
  await fileSystem.create(to, bench.context);
  await fileSystem.copy(from, to, bench.context);
  assert.deepEqual(bench.warnings, []);
  return { source: await bench.mount(from, 'ro,noatime'), copy: await bench.mount(to, 'noatime') };
}

function summaryOf(differences: readonly Difference[]): string[] {
  return differences.map(({ path, property }) => `${path}: ${property}`).sort();
}

/** What is altered also changes the times of the file and of its folder. */
async function putTimesRight(source: string, copy: string, path: string): Promise<void> {
  for (const name of [path, dirname(path)]) {
    // A file that one side does not have, or that is immutable, keeps its times.
    await run(
      ['touch', '--no-create', '--no-dereference', '--reference', join(source, name), join(copy, name)],
      {
        okExitCodes: [0, 1],
      },
    );
  }
}

async function touch(path: string, which: '-m' | '-a'): Promise<void> {
  // One ns more than in the source.
  const { stdout } = await run(['stat', '--format', which === '-m' ? '%.9Y' : '%.9X', path]);
  const [seconds = '', nanoseconds = ''] = stdout.trim().split('.');
  const next = String(Number(nanoseconds) + 1).padStart(9, '0');
  await run(['touch', '--no-dereference', which, '--date', `@${seconds}.${next}`, path]);
}

async function overwrite(path: string, offset: number, text: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.from(text, 'latin1'), 0, text.length, offset);
  await file.close();
}

async function setAttribute(path: string, name: string): Promise<void> {
  await run(['setfattr', '-h', '-n', name, '-v', 'altered', path]);
}

async function removeAttribute(path: string, name: string): Promise<void> {
  await run(['setfattr', '-h', '-x', name, path]);
}

async function replaceByFifo(path: string): Promise<void> {
  await rm(path);
  await run(['mkfifo', path]);
}

async function replaceLink(path: string): Promise<void> {
  await rm(path);
  await symlink('k'.repeat(1000), path);
}

async function replaceDevice(path: string): Promise<void> {
  await rm(path);
  await run(['mknod', '--mode=0666', path, 'c', '1', '5']);
}

async function separate(path: string): Promise<void> {
  await rm(path);
  await writeFile(path, 'same contents');
}

async function joinWithAloneOne(path: string): Promise<void> {
  await rm(path);
  await link(join(dirname(path), 'alone one'), path);
}

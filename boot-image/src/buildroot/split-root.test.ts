import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { listTree } from '../layers/list-tree.ts';
import { splitRoot } from './split-root.ts';

const RELEASE = '6.1.0-test';
const MODULES = `usr/lib/modules/${RELEASE}`;
const FILES = [
  'dev/fd',
  'etc/inittab',
  'usr/bin/busybox',
  'usr/bin/imaging-client',
  `${MODULES}/kernel/drivers/ata/ahci.ko`,
  `${MODULES}/modules.dep`,
  `${MODULES}/modules.dep.bin`,
];
let scratch = '';

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diskferry-split-root-'));
});

after(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** A rootfs.tar as Buildroot writes it: names begin with "./". */
async function packRoot(name: string, files: readonly string[]): Promise<string> {
  const root = join(scratch, name);
  for (const path of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), path);
  }
  await symlink('usr/bin', join(root, 'bin'));
  await symlink('/build', join(root, MODULES, 'build'));
  const tar = join(scratch, `${name}.tar`);
  await run(['tar', '--create', '--file', tar, '--directory', root, '.']);
  return tar;
}

test('the root file system is parted into drivers, the imaging client and all else', async () => {
  const tar = await packRoot('root', FILES);
  const { folders, release } = await splitRoot(tar, join(scratch, 'layers'));
  assert.equal(release, RELEASE);
  const files = async (folder: string): Promise<string[]> =>
    (await listTree(folder)).filter((path) => /[^/]+\.\w+$|busybox|client|inittab|fd|build|^bin$/.test(path));
  assert.deepEqual((await files(folders.system)).sort(), ['bin', 'etc/inittab', 'usr/bin/busybox']);
  assert.deepEqual(await files(folders.client), ['usr/bin/imaging-client']);
  const drivers = (await files(folders.drivers)).filter((path) => !path.endsWith(RELEASE));
  assert.deepEqual(drivers.sort(), [`${MODULES}/kernel/drivers/ata/ahci.ko`, `${MODULES}/modules.dep`]);
});

test('a second kernel in the root file system, left by a change of version, is refused', async () => {
  const tar = await packRoot('two', [...FILES, 'usr/lib/modules/6.1.0-old/modules.dep']);
  await assert.rejects(splitRoot(tar, join(scratch, 'refused')), { code: 'BUILDROOT_ROOT' });
});

import assert from 'node:assert/strict';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { canonicalName } from '../drivers/module-index.ts';
import { readDriverLists } from '../drivers/read-driver-lists.ts';
import { SOURCE_FOLDER } from '../locations.ts';
import { repeatedOptions } from './lost-options.ts';
import {
  EXTERNAL_TREE,
  kernelFragments,
  readBusyBoxFragment,
  readDefconfig,
  readDriverOptions,
  readKernelFragments,
} from './tree.ts';

test('every line of defconfig and fragments is one that kconfig takes, and wants what no other line wants', async () => {
  for (const read of [readDefconfig, readKernelFragments, readBusyBoxFragment]) {
    const wanted = await read();
    assert.ok(wanted.length > 0);
    const repeated = repeatedOptions(wanted).map(([first, again]) => `${again.where} repeats ${first.where}`);
    assert.deepEqual(repeated, []);
  }
});

test('kernel options stand in kernel fragments, and those of Buildroot in the defconfig', async () => {
  for (const { name, where } of await readKernelFragments()) assert.match(name, /^CONFIG_/, where);
  for (const { name, where } of await readDefconfig()) assert.match(name, /^BR2_/, where);
});

test('every file of the tree that the defconfig names is there', async () => {
  const paths = (await readDefconfig())
    .filter(({ value }) => value?.includes('BR2_EXTERNAL_DISKFERRY_PATH'))
    .map(({ value = '' }) => value.replace(/^.*\$\(BR2_EXTERNAL_DISKFERRY_PATH\)\/([^")]*).*$/, '$1'));
  assert.ok(paths.includes('rootfs') && paths.includes('board/diskferry/busybox.fragment'), paths.join());
  const fragments = (await kernelFragments()).map((path) => basename(path));
  assert.equal(fragments.length, 8, fragments.join());
  for (const path of paths) {
    if (path.includes('*')) assert.equal(path, 'board/diskferry/linux/*.fragment');
    else await stat(join(EXTERNAL_TREE, path));
  }
});

test('the scripts that Buildroot calls are executable and valid for a POSIX shell', async () => {
  for (const name of ['post-build.sh', 'post-image.sh']) {
    const script = join(EXTERNAL_TREE, 'board/diskferry', name);
    await access(script, constants.X_OK);
    await run(['sh', '-n', script]);
  }
});

test('the kernel has every driver that the lists of the other build name', async () => {
  const options = await readDriverOptions();
  const byName = new Map([...options].map(([driver, option]) => [canonicalName(driver), option]));
  const wanted = new Map((await readKernelFragments()).map(({ name, value }) => [name, value]));
  const named = (await readDriverLists(join(SOURCE_FOLDER, 'drivers'))).filter(
    (entry) => entry.kind === 'driver',
  );
  assert.ok(named.length > 100);
  const missing = named.flatMap(({ name, where }) => {
    const option = byName.get(canonicalName(name));
    if (option === undefined) return [`${where}: ${name} has no line in board/diskferry/driver-options.list`];
    return wanted.get(option) === undefined
      ? [`${where}: no kernel fragment has ${option}, for ${name}`]
      : [];
  });
  assert.deepEqual(missing, []);
});

test('no driver has an option in the table without being in a list', async () => {
  const lists = await readDriverLists(join(SOURCE_FOLDER, 'drivers'));
  const named = new Set(
    lists.flatMap((entry) => (entry.kind === 'driver' ? [canonicalName(entry.name)] : [])),
  );
  const strays = [...(await readDriverOptions()).keys()].filter((name) => !named.has(canonicalName(name)));
  assert.deepEqual(strays, []);
});

test('what stage 1 loads by insmod is a module, and not built in', async () => {
  const wanted = new Map((await readKernelFragments()).map(({ name, value }) => [name, value]));
  const init = await readFile(join(SOURCE_FOLDER, 'initramfs/init'), 'utf8');
  const [, drivers = ''] = /^for driver in (.*); do$/m.exec(init) ?? [];
  const options = await readDriverOptions();
  assert.ok(drivers.split(' ').length >= 3, drivers);
  for (const driver of drivers.split(' ')) assert.equal(wanted.get(options.get(driver) ?? ''), 'm', driver);
});

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openCheckout } from './checkout.ts';
import { configureKernel, loadDefconfig } from './configure.ts';
import { describeLoss } from './lost-options.ts';
import { EXTERNAL_TREE } from './tree.ts';

const BUILDROOT = process.env['DISKFERRY_BUILDROOT'];
const KERNEL_SOURCE = process.env['DISKFERRY_KERNEL_SOURCE'];

const withBuildroot = {
  skip: BUILDROOT === undefined && 'no Buildroot at hand: DISKFERRY_BUILDROOT names an unpacked release',
};
const withKernel = {
  skip:
    KERNEL_SOURCE === undefined && 'no kernel source at hand: DISKFERRY_KERNEL_SOURCE names an unpacked one',
};
/** What Buildroot's check-package imports from outside of it. */
const PYTHON = '/usr/bin/python3';
const withCheckPackage = {
  skip:
    withBuildroot.skip ||
    (!(await hasModules()) && 'apt-get install flake8 python3-magic, for check-package'),
};

async function hasModules(): Promise<boolean> {
  return run([PYTHON, '-c', 'import flake8, magic']).then(
    () => true,
    () => false,
  );
}

test('Buildroot loads the defconfig and keeps every option', withBuildroot, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-defconfig-'));
  try {
    const lost = await loadDefconfig(await openCheckout(BUILDROOT ?? ''), folder);
    assert.deepEqual(lost.map(describeLoss), []);
    // Buildroot reads all of its makefiles here, with ours among them.
    const variables = 'VARS=LINUX_KCONFIG_FRAGMENT_FILES PACKAGES';
    const { stdout } = await run(['make', '--silent', '-C', folder, 'printvars', variables]);
    assert.match(stdout, /^PACKAGES=.*\bdiskferry-client\b/m);
    assert.equal(stdout.match(/\/[\w-]+\.fragment\b/g)?.length, 7);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("Buildroot's own checks find no fault in the package and the scripts", withCheckPackage, async () => {
  const client = join(EXTERNAL_TREE, 'package/diskferry-client');
  const files = (await readdir(client)).map((name) => join(client, name));
  const others = ['Config.in', 'external.mk', 'external.desc', 'board/diskferry/post-build.sh'];
  const paths = [...files, ...others.map((name) => join(EXTERNAL_TREE, name))];
  await run([PYTHON, join(BUILDROOT ?? '', 'utils/check-package'), '--br2-external', ...paths]);
});

test('a real kernel keeps every option of the fragments', withKernel, async () => {
  assert.deepEqual((await configureKernel(KERNEL_SOURCE ?? '')).map(describeLoss), []);
});

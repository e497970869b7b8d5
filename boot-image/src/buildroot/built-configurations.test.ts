import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lostInBuild } from './built-configurations.ts';
import { describeLoss } from './lost-options.ts';
import type { WantedOption } from './options.ts';
import { readBusyBoxFragment, readKernelFragments } from './tree.ts';

function asConfig(wanted: readonly WantedOption[]): string {
  return wanted.map(({ name, value }) => (value === undefined ? '' : `${name}=${value}\n`)).join('');
}

async function withOutput(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-output-'));
  try {
    const packages = {
      'linux-6.1.192': asConfig(await readKernelFragments()),
      'busybox-1.38.0': asConfig(await readBusyBoxFragment()),
      'linux-headers-6.1.192': '',
    };
    for (const [name, config] of Object.entries(packages)) {
      await mkdir(join(folder, 'build', name), { recursive: true });
      await writeFile(join(folder, 'build', name, '.config'), config);
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a build that kept every option has lost none', async () => {
  await withOutput(async (folder) => {
    assert.deepEqual(await lostInBuild(folder), []);
  });
});

test('an option that the compiled kernel or BusyBox has not is named with its fragment', async () => {
  await withOutput(async (folder) => {
    const kernel = asConfig(await readKernelFragments()).replace('CONFIG_E1000E=m\n', '');
    await writeFile(join(folder, 'build/linux-6.1.192/.config'), kernel);
    await writeFile(join(folder, 'build/busybox-1.38.0/.config'), '# CONFIG_STATIC is not set\n');
    const losses = (await lostInBuild(folder)).map(describeLoss);
    assert.match(losses[0] ?? '', /^network\.fragment:\d+: CONFIG_E1000E was to be m, and is not set$/);
    assert.match(losses[1] ?? '', /^busybox\.fragment:\d+: CONFIG_STATIC was to be y, and is not set$/);
  });
});

test('an output folder with the kernels of two versions is refused: which one is meant is not known', async () => {
  await withOutput(async (folder) => {
    await mkdir(join(folder, 'build/linux-6.1.176'));
    await assert.rejects(lostInBuild(folder), { code: 'BUILDROOT_OUTPUT' });
  });
});

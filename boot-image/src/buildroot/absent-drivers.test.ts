import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDriverLists } from '../drivers/read-driver-lists.ts';
import { SOURCE_FOLDER } from '../locations.ts';
import { requireDrivers } from './absent-drivers.ts';

const CHOSEN = 'loop';

/** A modules folder of a kernel that has all drivers of the lists as modules, less one that is built in. */
async function withModules(builtIn: string, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'diskferry-modules-'));
  try {
    const paths = (await readDriverLists(join(SOURCE_FOLDER, 'drivers'))).map((entry) =>
      entry.kind === 'driver'
        ? `kernel/drivers/any/${entry.name}.ko`
        : `kernel/${entry.folder}/${entry.folder.replaceAll('/', '_')}.ko`,
    );
    const modules = paths.filter((path) => !path.endsWith(`/${CHOSEN}.ko`));
    await writeFile(join(folder, 'modules.dep'), modules.map((path) => `${path}:\n`).join(''));
    await writeFile(join(folder, 'modules.softdep'), '');
    await writeFile(join(folder, 'modules.builtin'), builtIn);
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('a driver of the lists may be built in', async () => {
  await withModules(`kernel/drivers/block/${CHOSEN}.ko\n`, requireDrivers);
});

test('a driver of the lists that the kernel has not, neither as module nor built in, is named', async () => {
  await withModules('kernel/drivers/block/other.ko\n', async (folder) => {
    await assert.rejects(requireDrivers(folder), {
      code: 'DRIVER_ABSENT',
      message: /platform\.list:\d+: loop/,
    });
  });
});

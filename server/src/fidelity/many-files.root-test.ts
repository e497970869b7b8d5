import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { captureAndDeploy } from './capture-and-deploy.ts';

const GIB = 1024 ** 3;
const FILES = 100_000;
const FILES_A_FOLDER = 1000;
const MAKE = ['mke2fs', '-q', '-t', 'ext4'] as const;

test(`${FILES} small files are carried, and one that differs among them is found`, async (t) => {
  const bench = openWorkbench(t);
  const subject = { make: MAKE, bytes: 2 * GIB, secondBytes: 3 * GIB, how: 'files' } as const;
  const { copies } = await captureAndDeploy(bench, subject, async (device) => {
    const folder = await bench.mount(device);
    for (let number = 0; number < FILES; number++) {
      const parent = join(folder, `${Math.floor(number / FILES_A_FOLDER)}`);
      if (number % FILES_A_FOLDER === 0) mkdirSync(parent);
      writeFileSync(join(parent, `file ${number}`), `contents of ${number}\n`.repeat(number % 50));
    }
    await bench.unmount(folder);
  });
  for (const { differences } of copies) assert.deepEqual(differences, []);
  assert.deepEqual(bench.warnings, []);

  const [captured, deployed] = copies;
  const folder = await bench.mount(deployed.device);
  const altered = `${Math.floor(77_777 / FILES_A_FOLDER)}/file 77777`;
  truncateSync(join(folder, altered), 1);
  await bench.unmount(folder);
  const found = await deployed.fileSystem.verify(captured.device, deployed.device, bench.context);
  // The root folder was read meanwhile.
  const paths = found.map(({ path }) => path).filter((path) => path !== '');
  assert.deepEqual(new Set(paths), new Set([altered]));
});

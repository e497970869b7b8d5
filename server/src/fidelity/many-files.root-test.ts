import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { captureAndDeploy } from './capture-and-deploy.ts';

const GIB = 1024 ** 3;
const FILES = 100_000;
const FILES_A_FOLDER = 1000;
const MAKE = ['mke2fs', '-q', '-t', 'ext4'] as const;

function contentsOf(number: number): string {
  return `contents of ${number}\n`.repeat(number % 50);
}

test(`${FILES} small files are carried`, async (t) => {
  const bench = openWorkbench(t);
  const subject = { make: MAKE, bytes: 2 * GIB, secondBytes: 3 * GIB, how: 'files' } as const;
  const { copies } = await captureAndDeploy(bench, subject, async (device) => {
    const folder = await bench.mount(device);
    for (let number = 0; number < FILES; number++) {
      const parent = join(folder, `${Math.floor(number / FILES_A_FOLDER)}`);
      if (number % FILES_A_FOLDER === 0) mkdirSync(parent);
      writeFileSync(join(parent, `file ${number}`), contentsOf(number));
    }
    await bench.unmount(folder);
  });
  for (const { differences } of copies) assert.deepEqual(differences, []);
  assert.deepEqual(bench.warnings, []);

  const folder = await bench.mount(copies[1].device);
  const folders = readdirSync(folder).filter((name) => name !== 'lost+found');
  const counts = folders.map((name) => readdirSync(join(folder, name)).length);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    FILES,
  );
  for (let number = 0; number < FILES; number += 777) {
    const path = join(folder, `${Math.floor(number / FILES_A_FOLDER)}`, `file ${number}`);
    assert.equal(readFileSync(path, 'utf8'), contentsOf(number));
  }
});

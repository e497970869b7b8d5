import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { type CliResult, runCli } from '../testing/cli-process.ts';
import { leftovers } from '../testing/leftovers.ts';
import { attachRoot, makeSourceDisk, sha256 } from '../testing/source-disk.ts';

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;

interface Report {
  readonly equal: boolean;
  readonly volumes: readonly { readonly partition: number; readonly type: string; readonly bytes: number }[];
  readonly differences: readonly {
    readonly partition: number;
    readonly path: string;
    readonly property: string;
  }[];
  readonly error?: { readonly code: string; readonly message: string };
}

/** A disk, and an image of it in another format. */
async function setUp(test: TestContext) {
  const bench = openWorkbench(test);
  const runFolder = join(bench.folder, 'run');
  const cli = async (...words: string[]): Promise<CliResult> =>
    runCli(words, { env: { DISKFERRY_RUN: runFolder } });
  const disk = await makeSourceDisk(bench, { size: SIZE, fill: writeFiles });
  const image = join(bench.folder, 'image.qcow2');
  assert.equal((await cli('convert', disk, image)).exitCode, 0);
  return {
    bench,
    cli,
    disk,
    image,
    verify: async (left: string, right: string, exitCode: number): Promise<Report> => {
      const before = [await sha256(left), await sha256(right)];
      const result = await cli('verify', left, right, '--json');
      assert.equal(result.exitCode, exitCode, result.stderr);
      assert.deepEqual([await sha256(left), await sha256(right)], before);
      assert.deepEqual(await leftovers(runFolder, []), []);
      return JSON.parse(result.stdout) as Report;
    },
  };
}

async function writeFiles(folder: string): Promise<void> {
  await mkdir(join(folder, 'etc'));
  for (const name of ['hosts', 'fstab', 'gone']) await writeFile(join(folder, 'etc', name), `${name}\n`);
}

test('an image equals its disk, and an image that is larger and for other sectors', async (t) => {
  const { cli, disk, image, verify } = await setUp(t);
  const report = await verify(image, disk, 0);
  assert.deepEqual([report.equal, report.differences, report.error], [true, [], undefined]);
  assert.deepEqual(
    report.volumes.map(({ partition, type }) => [partition, type]),
    [[1, 'ext4']],
  );
  const large = `${image}.large.vmdk`;
  const shape = ['--size', '96M', '--sector-size', '4096'];
  assert.equal((await cli('convert', image, large, ...shape)).exitCode, 0);
  assert.equal((await verify(image, large, 0)).equal, true);
  const back = await cli('verify', large, disk);
  assert.equal(back.exitCode, 0, back.stderr);
  assert.match(back.stdout, /no difference of a file: partition 1: "": blockSize: 4096 \| 1024\n/);
  assert.match(back.stdout, /: no difference \(1 partitions with /);
});

test('each file that differs is named, whatever has changed', async (t) => {
  const { bench, cli, disk, image, verify } = await setUp(t);
  const folder = await bench.mount(await attachRoot(bench, disk, SIZE), 'noinit_itable');
  await writeFile(join(folder, 'etc/hosts'), 'other');
  await rm(join(folder, 'etc/gone'));
  await writeFile(join(folder, 'etc/new'), 'new');
  await run(['chmod', '600', join(folder, 'etc/fstab')]);
  await bench.unmount(folder);
  await bench.session.release({ kind: 'loop', backing: disk });
  const { differences, error } = await verify(image, disk, 1);
  const paths = new Map(differences.map(({ path, property }) => [path.replace(/^\.\//, ''), property]));
  assert.equal(error?.code, 'NOT_EQUAL');
  for (const path of ['etc/hosts', 'etc/gone', 'etc/new', 'etc/fstab']) {
    assert.ok(paths.has(path), `${path} is among ${[...paths.keys()].join(', ')}`);
    assert.ok(error.message.includes(path));
  }
  const { exitCode, stdout } = await cli('verify', image, disk);
  assert.equal(exitCode, 1);
  assert.match(stdout, /partition 1: "\.?\/?etc\/hosts": size: 6 \| 5\n/);
});

test('a partition that is missing and another file system are differences; the same disk is refused', async (t) => {
  const { bench, cli, disk, image, verify } = await setUp(t);
  const empty = bench.file('empty.raw', SIZE);
  const missing = await verify(image, empty, 1);
  assert.deepEqual(
    missing.differences.map(({ partition, property }) => [partition, property]),
    [[0, 'partition table']],
  );
  await run(['mkswap', await attachRoot(bench, disk, SIZE)]);
  await bench.session.release({ kind: 'loop', backing: disk });
  const other = await verify(image, disk, 1);
  assert.deepEqual(
    other.differences.map(({ partition, property }) => [partition, property]),
    [[1, 'file system']],
  );
  const { exitCode, stdout } = await cli('verify', image, image, '--json');
  assert.deepEqual([exitCode, JSON.parse(stdout).error.code], [2, 'SAME_DISK']);
});

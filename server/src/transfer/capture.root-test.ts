import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { type CliProcess, type CliResult, runCli, startCli } from '../testing/cli-process.ts';
import { heldProcesses, leftovers } from '../testing/leftovers.ts';
import { startImagingClient } from '../testing/imaging-client.ts';
import { serveFile } from '../testing/nbdkit.ts';
import { attachRoot, makeSourceDisk, sha256 } from '../testing/source-disk.ts';
import { openWorkbench } from '../file-systems/test-devices.ts';

const MIB = 1024 * 1024;

/** A served source disk, a folder for images, and a run folder of its own. */
async function setUp(test: TestContext, options: { bytesPerSecond?: number } = {}) {
  const bench = openWorkbench(test);
  const source = await makeSourceDisk(bench);
  const { address, kill } = await serveFile(test, { folder: bench.folder, file: source, ...options });
  const runFolder = join(bench.folder, 'run');
  const image = join(bench.folder, 'image.qcow2');
  return { ...bench, source, address, killServer: kill, runFolder, image, env: { DISKFERRY_RUN: runFolder } };
}

type SetUp = Awaited<ReturnType<typeof setUp>>;

function imageFiles({ folder }: SetUp): string[] {
  return readdirSync(folder).filter((name) => name.includes('image.qcow2'));
}

/** Starts a capture that is slow enough to break in, and waits until it copies files. */
async function captureUntilCopying(
  test: TestContext,
  place: SetUp,
  options: readonly string[] = [],
): Promise<CliProcess> {
  const words = ['capture', '--insecure', ...options, place.address, place.image];
  const cli = startCli(words, { env: place.env });
  test.after(() => cli.signalGroup('SIGKILL'));
  await cli.printed(/partition 1: make ext4/);
  return cli;
}

async function assertNothingLeft(place: SetUp, processes: ReturnType<typeof heldProcesses>): Promise<void> {
  assert.deepEqual(await leftovers(place.runFolder, processes), []);
  assert.deepEqual(imageFiles(place), []);
}

function assertRefused({ exitCode, stderr, stdout }: CliResult, code: number, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.equal(exitCode, code, stderr);
  assert.doesNotMatch(stderr + stdout, /^\s+at .*\.ts:/m, 'a stack trace is no sentence');
}

test('a capture makes an image with the same files, leaves the source alone and nothing behind', async (t) => {
  const place = await setUp(t);
  const before = await sha256(place.source);
  const result = await runCli(['capture', '--insecure', place.address, place.image, '--json'], {
    env: place.env,
  });
  assert.equal(result.exitCode, 0, result.stderr);
  const report = JSON.parse(result.stdout) as Record<string, number>;
  assert.equal(report['virtualSize'], 128 * MIB);
  assert.ok((report['allocatedBytes'] as number) < 1.15 * (report['usedBytes'] as number));
  assert.equal(report['sourceBytesWritten'], 0);
  assert.equal(await sha256(place.source), before);

  const folder = join(place.folder, 'mnt');
  const attached = await runCli(['attach', place.image, folder, '--json'], { env: place.env });
  assert.equal(attached.exitCode, 0, attached.stderr);
  const original = await place.mount(await attachRoot(place, place.source, 128 * MIB), 'ro');
  assert.equal(await sha256(join(folder, '1/content')), await sha256(join(original, 'content')));
  const detached = await runCli(['detach', folder], { env: place.env });
  assert.equal(detached.exitCode, 0, detached.stderr);
  assert.ok(!existsSync(folder));
  assert.deepEqual(await leftovers(place.runFolder, []), []);
});

test('a dry run shows the steps and writes nothing', async (t) => {
  const place = await setUp(t);
  const result = await runCli(['capture', '--insecure', place.address, place.image, '--dry-run'], {
    env: place.env,
  });
  assert.equal(result.exitCode, 0, result.stderr);
  assert.match(
    result.stdout,
    /1\. create the new image.*\n.*2\. partition 1: make ext4 "small".*\n.*3\. write boot code .*GPT.*\n.*4\. sign/,
  );
  await assertNothingLeft(place, []);
});

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} in the middle of a capture releases everything and leaves no image`, async (t) => {
    const place = await setUp(t, { bytesPerSecond: 4 * MIB });
    const cli = await captureUntilCopying(t, place);
    const processes = heldProcesses(place.runFolder);
    assert.ok(processes.length >= 2, 'two adapters');
    cli.signalGroup(signal);
    const result = await cli.ended;
    assert.equal(result.exitCode, exitCode, result.stderr);
    assert.match(result.stderr, new RegExp(`stopped by ${signal}`));
    await assertNothingLeft(place, processes);
  });
}

test('what a killed capture leaves is released by cleanup', async (t) => {
  const place = await setUp(t, { bytesPerSecond: 4 * MIB });
  const cli = await captureUntilCopying(t, place);
  const processes = heldProcesses(place.runFolder);
  process.kill(cli.pid, 'SIGKILL');
  await cli.ended;
  assert.notDeepEqual(await leftovers(place.runFolder, processes), []);
  const dryRun = await runCli(['cleanup', '--dry-run'], { env: place.env });
  assert.match(dryRun.stdout, /mount .*loop device of .*process/);
  assert.notDeepEqual(await leftovers(place.runFolder, processes), []);
  const cleanup = await runCli(['cleanup'], { env: place.env });
  assert.equal(cleanup.exitCode, 0, cleanup.stderr);
  assert.match(cleanup.stdout, /released: 1/);
  await assertNothingLeft(place, processes);
});

test('the next start of diskferry releases what a killed one left', async (t) => {
  const place = await setUp(t, { bytesPerSecond: 4 * MIB });
  const cli = await captureUntilCopying(t, place);
  const processes = heldProcesses(place.runFolder);
  process.kill(cli.pid, 'SIGKILL');
  await cli.ended;
  const next = await runCli(['detach', '/nowhere'], { env: place.env });
  assert.match(next.stderr, /released what capture-.* had left behind/);
  await assertNothingLeft(place, processes);
});

test('a source that disappears in the middle ends the capture with its reason', async (t) => {
  const place = await setUp(t, { bytesPerSecond: 4 * MIB });
  const cli = await captureUntilCopying(t, place, ['--reconnect', '2']);
  const processes = heldProcesses(place.runFolder);
  place.killServer();
  assertRefused(await cli.ended, 1, /connection|lost|closed|gone/i);
  await assertNothingLeft(place, processes);
});

test('an image name that is taken is refused and the file stays as it was', async (t) => {
  const place = await setUp(t);
  const before = await sha256(place.source);
  const result = await runCli(['capture', '--insecure', place.address, place.source], { env: place.env });
  assertRefused(result, 2, /source\.raw exists already; delete it or choose another name/);
  assert.equal(await sha256(place.source), before);
});

test('a folder that is not there is refused', async (t) => {
  const place = await setUp(t);
  const result = await runCli(['capture', '--insecure', place.address, '/nowhere/x.qcow2'], {
    env: place.env,
  });
  assertRefused(result, 2, /the folder \/nowhere does not exist/);
});

async function mountTmpfs({ session, folder }: SetUp, size: string): Promise<string> {
  const path = join(folder, 'tmpfs');
  session.hold({ kind: 'mount', path });
  await run(['mkdir', path]);
  await run(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'none', path]);
  return path;
}

test('a target folder without enough room is refused before anything is written', async (t) => {
  const place = await setUp(t);
  const small = await mountTmpfs(place, '8m');
  const result = await runCli(['capture', '--insecure', place.address, join(small, 'x.qcow2')], {
    env: place.env,
  });
  assertRefused(result, 2, /the image needs about 2\d\.\d MB, the folder of .* has 8\.\d MB free/);
  assert.deepEqual(readdirSync(small), []);
});

test('a target folder that fills up in the middle ends the capture and says so', async (t) => {
  const place = await setUp(t, { bytesPerSecond: 4 * MIB });
  const small = await mountTmpfs(place, '40m');
  const cli = startCli(['capture', '--insecure', place.address, join(small, 'x.qcow2')], { env: place.env });
  await cli.printed(/partition 1: make ext4/);
  await fillUp(join(small, 'filler'));
  assertRefused(await cli.ended, 1, /x\.qcow2 is full/);
  assert.deepEqual(readdirSync(small), ['filler']);
  assert.deepEqual(await leftovers(place.runFolder, []), []);
});

/** Takes all room that is left where a file lies, however much of it others have taken already. */
async function fillUp(path: string): Promise<void> {
  await using file = await open(path, 'w');
  for (;;) {
    try {
      await file.write(Buffer.alloc(MIB / 4));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return;
      throw error;
    }
  }
}

test('a machine that cannot be reached is named', async () => {
  const result = await runCli(['capture', '--insecure', '/dev/sda@127.0.0.1:1', '/tmp/never.qcow2']);
  assertRefused(result, 1, /127\.0\.0\.1.*1/);
  assert.ok(!existsSync('/tmp/never.qcow2'));
});

test('an unknown export is refused by name', async (t) => {
  const place = await setUp(t);
  const client = await startImagingClient(t, place.source);
  const result = await runCli(['capture', '--insecure', `/dev/sdz@${client}`, place.image], {
    env: place.env,
  });
  assertRefused(result, 1, /sdz.*source\.raw/s);
  await assertNothingLeft(place, []);
});

test('a disk without a partition table and without a known file system is refused', async (t) => {
  const place = await setUp(t);
  await truncate(place.source, 0);
  await truncate(place.source, 128 * MIB);
  const result = await runCli(['capture', '--insecure', place.address, place.image], { env: place.env });
  assertRefused(result, 2, /no partition table and no file system that diskferry knows.*--mode sectors/);
  await assertNothingLeft(place, []);
});

/** Overwrites bytes of a file with 0xff. */
async function damage(path: string, start: number, length: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(Buffer.alloc(length, 0xff), 0, length, start);
}

test('a damaged GPT is read from its backup, which is said, and the image has a sound one', async (t) => {
  const place = await setUp(t);
  await damage(place.source, 512 + 16, 4);
  const result = await runCli(['capture', '--insecure', place.address, place.image], { env: place.env });
  assert.equal(result.exitCode, 0, result.stderr);
  assert.match(result.stderr, /warning: .*backup/);
  const raw = join(place.folder, 'image.raw');
  await run(['qemu-img', 'convert', '-O', 'raw', place.image, raw]);
  const { stdout, stderr } = await run(['sfdisk', '--verify', raw]);
  assert.match(stdout, /No errors detected/);
  assert.doesNotMatch(stderr, /corrupt/);
});

test('a GPT with both copies damaged is refused', async (t) => {
  const place = await setUp(t);
  await damage(place.source, 512 + 16, 4);
  await damage(place.source, 128 * MIB - 512 + 16, 4);
  const result = await runCli(['capture', '--insecure', place.address, place.image], { env: place.env });
  assertRefused(result, 1, /both GUID partition tables .* are damaged/);
  await assertNothingLeft(place, []);
});

test('a missing tool is named with its package', async (t) => {
  const place = await setUp(t);
  const result = await runCli(['capture', '--insecure', place.address, place.image], {
    env: place.env,
    withoutProgram: '/usr/bin/qemu-nbd',
  });
  assertRefused(
    result,
    1,
    /missing on this server: qemu-nbd \(install it with: apt-get install qemu-utils\)/,
  );
});

test('a user who is not root is told so', async () => {
  // He may read all, since this folder may be one that only root can enter.
  const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const before = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...reading];
  const words = ['capture', '--insecure', '/dev/sda@127.0.0.1:1', '/tmp/never.qcow2'];
  const result = await runCli(words, { before });
  assertRefused(result, 2, /needs root/);
});

test('wrong words are answered with exit code 2', async () => {
  assertRefused(await runCli(['captur']), 2, /there is no command "captur"; see diskferry --help/);
  assertRefused(await runCli(['capture', 'x']), 2, /takes ADDRESS and IMAGE/);
  assertRefused(
    await runCli(['capture', 'x', '/tmp/y.qcow2']),
    2,
    /there is no image x; give the path .* or an address/,
  );
  assertRefused(await runCli(['capture', 'nbd:x', '/tmp/y.qcow2']), 2, /"nbd:x" is not a disk address/);
  const json = await runCli(['capture', 'x', '/tmp/y.qcow2', '--json']);
  assert.equal((JSON.parse(json.stdout) as { error: { code: string } }).error.code, 'IMAGE_MISSING');
});

test('what a capture reads follows the files, not the size of the disk', async (t) => {
  const bench = openWorkbench(t);
  const env = { DISKFERRY_RUN: join(bench.folder, 'run') };
  const read: number[] = [];
  for (const gigabytes of [8, 200]) {
    const size = gigabytes * 1000 * MIB;
    const name = `${gigabytes}.raw`;
    const source = await makeSourceDisk(bench, { name, size, fill: writeManyFiles });
    const client = await startImagingClient(t, source);
    const image = join(bench.folder, `${gigabytes}.qcow2`);
    const result = await runCli(['capture', '--insecure', `nbd://${client}/${name}`, image, '--json'], {
      env,
    });
    assert.equal(result.exitCode, 0, result.stderr);
    const report = JSON.parse(result.stdout) as { sourceBytesRead: number; virtualSize: number };
    assert.equal(report.virtualSize, size);
    read.push(report.sourceBytesRead);
  }
  const [small, large] = read as [number, number];
  t.diagnostic(`${small} bytes read of the small disk, ${large} of the large one`);
  assert.ok(large <= 1.3 * small, `${large} bytes read of the large disk, ${small} of the small one`);
});

/** The same files each time: 2,000 of 1 KiB to 64 KiB in 40 folders, some 64 MB. */
async function writeManyFiles(root: string): Promise<void> {
  for (let folder = 0; folder < 40; folder++) {
    const path = join(root, `folder-${folder}`);
    await mkdir(path);
    for (let file = 0; file < 50; file++) {
      await writeFile(
        join(path, `file-${file}`),
        Buffer.alloc(1024 * (1 + ((folder * 50 + file) % 64)), 'x'),
      );
    }
  }
}

import assert from 'node:assert/strict';
import { createCipheriv, randomBytes } from 'node:crypto';
import { truncateSync } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openWorkbench } from '../file-systems/test-devices.ts';
import { type CliResult, runCli } from '../testing/cli-process.ts';
import { startImagingClient } from '../testing/imaging-client.ts';
import { leftovers } from '../testing/leftovers.ts';
import { attachRoot, makeSourceDisk, sha256 } from '../testing/source-disk.ts';

const MIB = 1024 * 1024;
const SOURCE_BYTES = 128 * MIB;

interface Report {
  readonly partitions: readonly {
    readonly number: number;
    readonly start: number;
    readonly size: number;
    readonly fileSystem: { readonly how: string; readonly usedBytes: number };
  }[];
  readonly partitionTable: { readonly kind: string };
  readonly verified?: readonly { readonly partition: number; readonly differences: readonly unknown[] }[];
  readonly allocatedBytes?: number;
  readonly sourceBytesRead: number;
  readonly error?: { readonly code: string; readonly message: string };
}

/** A workbench with a source disk of 128 MiB, and a command line that works in a run folder of its own. */
async function setUp(test: TestContext) {
  const bench = openWorkbench(test);
  const runFolder = join(bench.folder, 'run');
  const cli = async (...words: string[]): Promise<CliResult> =>
    runCli(words, { env: { DISKFERRY_RUN: runFolder } });
  return {
    ...bench,
    cli,
    source: await makeSourceDisk(bench),
    /** Runs a command that must succeed, with its report. */
    async report(...words: string[]): Promise<Report> {
      const result = await cli(...words, '--json');
      assert.equal(result.exitCode, 0, result.stderr);
      return JSON.parse(result.stdout) as Report;
    },
    async refused(code: string, ...words: string[]): Promise<string> {
      const result = await cli(...words, '--json');
      assert.equal(result.exitCode, 2, result.stderr);
      const { error } = JSON.parse(result.stdout) as Report;
      assert.equal(error?.code, code, result.stderr);
      return error.message;
    },
    async assertNothingLeft() {
      assert.deepEqual(await leftovers(runFolder, []), []);
    },
  };
}

for (const [name, bytes] of [
  ['the same', SOURCE_BYTES],
  ['half', SOURCE_BYTES / 2],
  ['double', 2 * SOURCE_BYTES],
] as const) {
  test(`an image is deployed to a disk of ${name} size, and every file is there`, async (t) => {
    const place = await setUp(t);
    const disk = place.file('disk.raw', bytes);
    const before = await sha256(place.source);
    const { partitions, verified } = await place.report('deploy', place.source, disk, '--verify');
    assert.deepEqual(
      partitions.map(({ number, start, size }) => ({ number, start, size })),
      [{ number: 1, start: MIB, size: bytes - 2 * MIB }],
    );
    assert.deepEqual(
      verified?.map(({ differences }) => differences),
      [[]],
    );
    assert.equal(await sha256(place.source), before);
    const { stdout } = await run(['sfdisk', '--verify', disk]);
    assert.match(stdout, /No errors detected/);
    await place.assertNothingLeft();
  });
}

test('what is on a disk is shown, and lost only when it is said to be', async (t) => {
  const place = await setUp(t);
  const disk = await makeSourceDisk(place, { name: 'disk.raw', size: 96 * MIB });
  const before = await sha256(disk);
  const message = await place.refused('NEEDS_CONFIRMATION', 'deploy', place.source, disk);
  assert.match(message, /partition 1: ext4 "small", 98\.6 MB\nadd --yes/);
  assert.equal(await sha256(disk), before);
  const { verified } = await place.report('deploy', place.source, disk, '--yes', '--verify');
  assert.deepEqual(
    verified?.map(({ differences }) => differences),
    [[]],
  );
});

test('old data on the disk never come through', async (t) => {
  const place = await setUp(t);
  const disk = place.file('disk.raw', SOURCE_BYTES);
  await writeFile(disk, noise(SOURCE_BYTES));
  await place.report('deploy', place.source, disk, '--yes', '--verify');
  const device = await attachRoot(place, disk, SOURCE_BYTES);
  await run(['e2fsck', '-f', '-n', device]);
});

/**
 * Looks like chance and is the same each time: once in some ten thousand times, bytes of chance have the signature of a
 * partition table or of a file system.
 */
function noise(bytes: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

test('a disk that is too small is refused with figures, and stays as it was', async (t) => {
  const place = await setUp(t);
  const disk = place.file('disk.raw', 20 * MIB);
  const message = await place.refused('DOES_NOT_FIT', 'deploy', place.source, disk);
  assert.match(message, /partition 1.*MB/s);
  assert.equal(await sha256(disk), await sha256(place.file('zeros', 20 * MIB)));
});

test('a disk is not deployed to itself', async (t) => {
  const place = await setUp(t);
  const message = await place.refused('SAME_DISK', 'deploy', place.source, place.source, '--yes');
  assert.match(message, /both source and destination/);
});

test('a dry run of a deploy writes nothing', async (t) => {
  const place = await setUp(t);
  const disk = place.file('disk.raw', SOURCE_BYTES);
  const before = await sha256(disk);
  const { stdout, exitCode } = await place.cli('deploy', place.source, disk, '--dry-run');
  assert.equal(exitCode, 0);
  assert.match(stdout, /Nothing is written.*clear .*partition 1: make ext4.*sign the partition table/s);
  assert.equal(await sha256(disk), before);
});

test('a disk of an imaging client is deployed over the network', async (t) => {
  const place = await setUp(t);
  const disk = place.file('disk.raw', SOURCE_BYTES);
  const client = await startImagingClient(t, disk, ['--writable']);
  await place.report('deploy', place.source, `nbd://${client}/disk.raw`, '--insecure', '--verify');
  const { stdout } = await run(['sfdisk', '--verify', disk]);
  assert.match(stdout, /No errors detected/);
});

test('an image is converted through every format without a difference', async (t) => {
  const place = await setUp(t);
  let from = place.source;
  for (const ending of ['qcow2', 'vmdk', 'vhdx', 'vdi', 'raw']) {
    const to = join(place.folder, `image.${ending}`);
    const { allocatedBytes } = await place.report('convert', from, to, '--verify');
    assert.ok((allocatedBytes ?? Infinity) < 40 * MIB, `${ending}: ${allocatedBytes}`);
    const { stdout } = await run(['qemu-img', 'info', '--output=json', to]);
    assert.equal((JSON.parse(stdout) as { format: string }).format, ending);
    from = to;
  }
});

test('an image gets sectors of 4096 bytes and those of 512 bytes again', async (t) => {
  const place = await setUp(t);
  const large = join(place.folder, 'large.qcow2');
  const small = join(place.folder, 'small.qcow2');
  await place.report('convert', place.source, large, '--sector-size', '4096', '--verify');
  await place.report('convert', large, small, '--sector-size', '512', '--verify');
  const raw = join(place.folder, 'small.raw');
  await run(['qemu-img', 'convert', '-O', 'raw', small, raw]);
  assert.match((await run(['sfdisk', '--verify', raw])).stdout, /No errors detected/);
});

test('an image becomes smaller when it is asked to', async (t) => {
  const place = await setUp(t);
  const image = join(place.folder, 'small.qcow2');
  const { partitions } = await place.report(
    'convert',
    place.source,
    image,
    '--size',
    '80M',
    '--partition',
    '1=min',
  );
  assert.ok((partitions[0]?.size ?? Infinity) < 60 * MIB, JSON.stringify(partitions));
});

test('blocks are copied at their places, without those of deleted files', async (t) => {
  const place = await setUp(t);
  const source = await makeSourceDisk(place, { name: 'junk.raw', fill: writeAndDelete });
  const image = join(place.folder, 'blocks.qcow2');
  const report = await place.report('convert', source, image, '--mode', 'blocks', '--verify');
  assert.equal(report.partitions[0]?.fileSystem.how, 'blocks');
  assert.ok((report.allocatedBytes ?? Infinity) < 24 * MIB, `${report.allocatedBytes} bytes`);
  const raw = join(place.folder, 'blocks.raw');
  await run(['qemu-img', 'convert', '-O', 'raw', image, raw]);
  const [left, right] = [await mountPart(place, source), await mountPart(place, raw)];
  assert.ok((await readFile(join(left, 'kept'))).equals(await readFile(join(right, 'kept'))));
});

async function writeAndDelete(folder: string): Promise<void> {
  await writeFile(join(folder, 'junk'), randomBytes(40 * MIB));
  await writeFile(join(folder, 'kept'), randomBytes(8 * MIB));
  await run(['sync', '-f', folder]);
  await rm(join(folder, 'junk'));
}

async function mountPart(place: Awaited<ReturnType<typeof setUp>>, file: string): Promise<string> {
  place.session.hold({ kind: 'loop', backing: file });
  const { stdout } = await run(['losetup', '-f', '--show', '-r', '-o', String(MIB), file]);
  return place.mount(stdout.trim(), 'ro,noload');
}

test('every sector of an unknown disk is copied when it is asked for', async (t) => {
  const place = await setUp(t);
  const unknown = place.file('unknown.raw', 16 * MIB);
  await using handle = await open(unknown, 'r+');
  await handle.write(randomBytes(3 * MIB), 0, 3 * MIB, 5 * MIB);
  const image = join(place.folder, 'copy.raw');
  await place.report('convert', unknown, image, '--mode', 'sectors', '--verify');
  assert.equal(await sha256(image), await sha256(unknown));
});

test('a file system that fills a disk without a table is carried to another size', async (t) => {
  const place = await setUp(t);
  const whole = place.file('whole.raw', 64 * MIB);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'whole', whole]);
  const image = join(place.folder, 'whole-large.raw');
  const { partitionTable } = await place.report('convert', whole, image, '--size', '96M', '--verify');
  assert.equal(partitionTable.kind, 'none');
  const { stdout } = await run(['blkid', '-p', '-o', 'value', '-s', 'LABEL', image]);
  assert.equal(stdout.trim(), 'whole');
});

/** An MBR with a primary ext4 and a logical one. */
async function makeMbrDisk(place: Awaited<ReturnType<typeof setUp>>): Promise<string> {
  const disk = place.file('mbr.raw', SOURCE_BYTES);
  const table = 'label: dos\nstart=2048, size=65536, type=83, bootable\nstart=67584, size=190464, type=5\n';
  await run(['sfdisk', '--quiet', '--no-tell-kernel', disk], {
    input: `${table}start=69632, size=131072, type=83\n`,
  });
  for (const [label, start, sectors] of [
    ['first', 2048, 65_536],
    ['second', 69_632, 131_072],
  ] as const) {
    const part = ['--offset', String(start * 512), '--sizelimit', String(sectors * 512)];
    place.session.hold({ kind: 'loop', backing: disk });
    const { stdout } = await run(['losetup', '--find', '--show', ...part, disk]);
    await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', label, stdout.trim()]);
    const folder = await place.mount(stdout.trim());
    await mkdir(join(folder, label));
    await writeFile(join(folder, label, 'file'), randomBytes(MIB));
    await place.unmount(folder);
    await place.session.release({ kind: 'loop', backing: disk });
  }
  return disk;
}

test('logical partitions are carried to a larger disk, the last one grows', async (t) => {
  const place = await setUp(t);
  const mbr = await makeMbrDisk(place);
  const image = join(place.folder, 'large.raw');
  const { partitions } = await place.report('convert', mbr, image, '--size', '200M', '--verify');
  assert.deepEqual(
    partitions.map(({ number }) => number),
    [1, 5],
  );
  assert.equal(partitions[0]?.size, 32 * MIB);
  assert.ok((partitions[1]?.size ?? 0) > 150 * MIB);
  assert.match((await run(['sfdisk', '--verify', image])).stdout, /No errors detected/);
});

test('an MBR becomes a GPT when it is asked to', async (t) => {
  const place = await setUp(t);
  const image = join(place.folder, 'gpt.raw');
  const { partitionTable } = await place.report(
    'convert',
    await makeMbrDisk(place),
    image,
    '--gpt',
    '--verify',
  );
  assert.equal(partitionTable.kind, 'gpt');
  const { stdout } = await run(['sfdisk', '--json', image]);
  assert.match(stdout, /"label": ?"gpt"/);
  assert.match((await run(['sfdisk', '--verify', image])).stdout, /No errors detected/);
  const message = await place.refused('NO_MBR', 'convert', image, join(place.folder, 'again.raw'), '--gpt');
  assert.match(message, /already has a GPT/);
});

test('a partition that is not there, and words that mean nothing, are refused', async (t) => {
  const place = await setUp(t);
  const image = join(place.folder, 'x.qcow2');
  await place.refused('NO_SUCH_PARTITION', 'convert', place.source, image, '--partition', '7=min');
  for (const words of [
    ['--partition', '1'],
    ['--partition', '1=large'],
    ['--mode', 'copy'],
    ['--size', 'big'],
    ['--sector-size', '1024'],
    ['--format', 'vhd'],
  ]) {
    await place.refused('USAGE', 'convert', place.source, image, ...words);
  }
});

test('an image that is cut off in the middle is refused, and nothing is written', async (t) => {
  const place = await setUp(t);
  const disk = place.file('disk.raw', SOURCE_BYTES);
  truncateSync(place.source, 40 * MIB);
  const result = await place.cli('deploy', place.source, disk);
  assert.notEqual(result.exitCode, 0);
  assert.equal(await sha256(disk), await sha256(place.file('zeros', SOURCE_BYTES)));
  await place.assertNothingLeft();
});

test('a local disk is deployed to, and refused while it is mounted', async (t) => {
  const place = await setUp(t);
  const device = await place.loop(place.file('disk.raw', SOURCE_BYTES));
  const whole = place.file('whole.raw', 32 * MIB);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', whole]);
  await place.report('deploy', whole, device, '--verify');
  const folder = await place.mount(device);
  const message = await place.refused('DEVICE_BUSY', 'deploy', place.source, device, '--yes');
  assert.match(message, /is mounted on .*; unmount it first/);
  await place.unmount(folder);
  await place.report('deploy', place.source, device, '--yes', '--verify');
});

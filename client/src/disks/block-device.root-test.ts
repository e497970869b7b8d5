import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Disk } from '@diskferry/protocol/disk';
// oxlint-disable-next-line no-restricted-imports -- the program depends on protocol only; its tests run tools
import { run } from '@diskferry/system/run';
import { openBlockDisk } from './block-disk.ts';
import { describeNamedDisk } from './named-disk.ts';

const MiB = 1024 * 1024;
const SIZE = 8 * MiB;

interface LoopDevice {
  readonly device: string;
  /** The file behind it. */
  readonly file: string;
}

/** A loop device over a file of random bytes, until the test ends. */
async function makeLoopDevice(t: TestContext, ...options: string[]): Promise<LoopDevice> {
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-loop-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'disk');
  writeFileSync(file, randomBytes(SIZE));
  const { stdout } = await run(['losetup', '--find', '--show', ...options, file]);
  const device = stdout.trim();
  t.after(() => run(['losetup', '--detach', device]));
  return { device, file };
}

async function open(t: TestContext, path: string, writable: boolean): Promise<Disk> {
  const disk = await openBlockDisk(describeNamedDisk(path, { sectorSize: 512 }), { writable });
  t.after(() => disk.close());
  return disk;
}

const blocksOf = (path: string): number => statSync(path).blocks;

for (const sectorSize of [512, 4096]) {
  test(`a block device with sectors of ${sectorSize} bytes reads zeros where they were asked for`, async (t) => {
    const { device, file } = await makeLoopDevice(t, `--sector-size=${sectorSize}`);
    const expected = readFileSync(file)
      .fill(0, MiB, 2 * MiB)
      .fill(0, 4 * MiB, 5 * MiB + sectorSize);
    const disk = await open(t, device, true);
    await disk.writeZeroes(MiB, MiB, { mayPunch: true, fast: true });
    await disk.writeZeroes(4 * MiB, MiB + sectorSize);
    const target = Buffer.alloc(SIZE);
    await disk.read(0, target);
    assert.deepEqual(target, expected);
    await disk.flush();
    assert.deepEqual(readFileSync(file), expected);
  });
}

test('a discard of a block device reaches what stores it', async (t) => {
  const { device, file } = await makeLoopDevice(t);
  const before = readFileSync(file);
  const blocks = blocksOf(file);
  const disk = await open(t, device, true);
  await disk.discard(2 * MiB, 4 * MiB);
  await disk.flush();
  // A file system may need a few blocks to tell of the hole.
  const given = (blocks - blocksOf(file)) * 512;
  assert.ok(given > 3 * MiB && given <= 4 * MiB, `${given} bytes were given back`);
  const now = readFileSync(file);
  assert.deepEqual(now.subarray(0, 2 * MiB), before.subarray(0, 2 * MiB));
  assert.deepEqual(now.subarray(6 * MiB), before.subarray(6 * MiB));
});

test('a block device tells nothing of holes', async (t) => {
  const { device } = await makeLoopDevice(t);
  const disk = await open(t, device, false);
  assert.equal('extents' in disk && disk.extents !== undefined, false);
});

test('what is not in memory is not answered at once, and is after it was read', async (t) => {
  const { device, file } = await makeLoopDevice(t);
  await run(['blockdev', '--setra', '0', device]);
  const disk = await open(t, device, false);
  await run(['blockdev', '--flushbufs', device]);
  const target = Buffer.alloc(64 * 1024);
  const offset = 3 * MiB;
  assert.equal(disk.cache?.read(offset, target), false);
  // The socket would be asked only after that: there is none.
  assert.equal(disk.cache?.send(-1, Buffer.alloc(16), offset, target.length), 0);
  assert.equal(disk.cache?.has(offset, target.length), false);
  await disk.read(offset, target);
  assert.equal(disk.cache?.has(offset, target.length), true);
  assert.equal(disk.cache?.has(offset, 2 * target.length), false);
  const again = Buffer.alloc(target.length);
  assert.equal(disk.cache?.read(offset, again), true);
  assert.deepEqual(again, readFileSync(file).subarray(offset, offset + again.length));
});

test('a disk whose storage fails gives an error with its place, and goes on to serve the rest', async (t) => {
  const { device, file } = await makeLoopDevice(t);
  const disk = await open(t, device, false);
  await run(['blockdev', '--flushbufs', device]);
  await run(['truncate', '--size', String(4 * MiB), file]);
  await assert.rejects(disk.read(6 * MiB, Buffer.alloc(4096)), {
    name: 'DiskError',
    errno: 'EIO',
    message: /^loop\d+: cannot read at byte 6291456: EIO, the disk reports an error or was unplugged$/,
  });
  assert.equal(disk.cache?.read(6 * MiB, Buffer.alloc(4096)), false);
  assert.equal(disk.cache?.send(-1, Buffer.alloc(16), 6 * MiB, 4096), 0);
  await disk.read(MiB, Buffer.alloc(4096));
});

test('a disk that was taken away while it is served gives an error with its name', async (t) => {
  const { device, file } = await makeLoopDevice(t);
  const disk = await open(t, device, true);
  await run(['blockdev', '--flushbufs', device]);
  // What remains of the device when its medium is gone: it has no sectors.
  await run(['truncate', '--size', '0', file]);
  await run(['losetup', '--set-capacity', device]);
  const refusal = { name: 'DiskError', message: /^loop\d+: cannot \w+ at byte 1048576: / };
  await assert.rejects(disk.read(MiB, Buffer.alloc(4096)), refusal);
  await assert.rejects(disk.write(MiB, Buffer.alloc(4096)), refusal);
});

test('a device that is in use is not opened for writing', async (t) => {
  const { device } = await makeLoopDevice(t);
  await run(['mkfs.ext2', '-q', '-F', device]);
  const folder = mkdtempSync(join(tmpdir(), 'diskferry-mounted-'));
  t.after(() => rm(folder, { recursive: true }));
  await run(['mount', device, folder]);
  try {
    const described = describeNamedDisk(device, { sectorSize: 512 });
    await assert.rejects(openBlockDisk(described, { writable: true }), {
      errno: 'EBUSY',
      message: /it is mounted or in use by another program/,
    });
  } finally {
    await run(['umount', folder]);
  }
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { type Command, run } from '@diskferry/system/run';
import { recogniseFileSystem } from './recognise.ts';
import { openWorkbench, type Workbench } from './test-devices.ts';
import { zeroRange } from './zero-range.ts';

const MIB = 1024 * 1024;

interface OldDataCase {
  readonly make: Command;
  readonly bytes: number;
  readonly check: Command;
  /** Of the destination, where it is not of the source's size. */
  readonly to?: number;
}

const E2FSCK = ['e2fsck', '-f', '-n'] as const;

/** How each file system is made, and what checks that it is sound. */
const CASES: Readonly<Record<string, OldDataCase>> = {
  ext2: { make: ['mke2fs', '-q', '-t', 'ext2', '-b', '1024'], bytes: 60 * MIB, check: E2FSCK },
  ext3: { make: ['mke2fs', '-q', '-t', 'ext3', '-b', '4096'], bytes: 100 * MIB, check: E2FSCK },
  ext4: { make: ['mke2fs', '-q', '-t', 'ext4', '-b', '4096'], bytes: 200 * MIB, check: E2FSCK },
  'ext4 without checksums, onto a larger device': {
    make: ['mke2fs', '-q', '-t', 'ext4', '-b', '4096', '-O', '^metadata_csum,^uninit_bg'],
    bytes: 100 * MIB,
    to: 160 * MIB,
    check: E2FSCK,
  },
  XFS: { make: ['mkfs.xfs', '-q'], bytes: 320 * MIB, check: ['xfs_repair', '-n'] },
  Btrfs: { make: ['mkfs.btrfs', '-q'], bytes: 640 * MIB, check: ['btrfs', 'check', '--readonly'] },
  FAT12: { make: ['mkfs.fat', '-F', '12'], bytes: 4 * MIB, check: ['fsck.fat', '-n'] },
  FAT16: { make: ['mkfs.fat', '-F', '16'], bytes: 40 * MIB, check: ['fsck.fat', '-n'] },
  'FAT32 onto a larger device': {
    make: ['mkfs.fat', '-F', '32', '-s', '1'],
    bytes: 40 * MIB,
    to: 80 * MIB,
    check: ['fsck.fat', '-n'],
  },
};

for (const [name, { make, bytes, check, to = bytes }] of Object.entries(CASES)) {
  test(`old data on the destination does not get into a copy of ${name}`, async (t) => {
    const bench = openWorkbench(t);
    const source = await bench.loop(bench.file('source', bytes));
    await run([...make, source] as Command);
    if (name.startsWith('FAT')) await fillFat(bench, source);
    else await fillMounted(bench, source);
    const destination = await usedDevice(bench, to);

    const fileSystem = await recogniseFileSystem(source, { session: bench.session });
    assert.equal(fileSystem.how, 'files', fileSystem.notes.join());
    const context = { ...bench.context, zeroed: false };
    await fileSystem.create(destination, context);
    await fileSystem.copy(source, destination, context);

    assert.deepEqual(await fileSystem.verify(source, destination, context), []);
    await run([...check, destination] as Command);
    assert.deepEqual(await signaturesOn(destination), await signaturesOn(source));
    assert.deepEqual(bench.warnings, []);
  });
}

test('old data is overwritten where sectors are zeros, in short runs and in long ones', async (t) => {
  const bench = openWorkbench(t);
  const source = await bench.loop(bench.file('source', 40 * MIB + 512));
  const device = await open(source, 'r+');
  for (const [offset, length] of [
    [0, 100],
    [3 * MIB, 5 * MIB],
    [30 * MIB + 4096, 8192],
  ] as const) {
    await device.write(randomBytes(length), 0, length, offset);
  }
  await device.close();
  const destination = await usedDevice(bench, 41 * MIB);
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  const context = { ...bench.context, zeroed: false };
  await fileSystem.create(destination, context);
  await fileSystem.copy(source, destination, context);
  assert.deepEqual(await fileSystem.verify(source, destination, context), []);
  assert.equal(await signaturesOn(destination), '');
});

test('a device that is too small is left as it is', async (t) => {
  const bench = openWorkbench(t);
  const source = await bench.loop(bench.file('source', 20 * MIB));
  const destination = await usedDevice(bench, 10 * MIB);
  const before = await signaturesOn(destination);
  const fileSystem = await recogniseFileSystem(source, { session: bench.session });
  const context = { ...bench.context, zeroed: false };
  await assert.rejects(() => fileSystem.create(destination, context), { code: 'UNSUITABLE' });
  assert.equal(await signaturesOn(destination), before);
});

test('a range reads as zeros, and what is around it stays', async (t) => {
  const bench = openWorkbench(t);
  const path = bench.file('device', 3 * MIB);
  const old = Buffer.alloc(MIB, OLD);
  await writeFile(path, Buffer.concat([old, old, old]));
  const device = await bench.loop(path);
  await zeroRange(device, MIB, MIB);
  const content = await readFile(device);
  assert.ok(content.equals(Buffer.concat([old, Buffer.alloc(MIB), old])));
});

const OLD = Buffer.from('what was here before');

/** A device full of old data, with the signatures of other things at both its ends. */
async function usedDevice(bench: Workbench, bytes: number): Promise<string> {
  const path = bench.file('destination', bytes);
  const file = await open(path, 'r+');
  const old = Buffer.alloc(MIB, OLD);
  for (let offset = 0; offset < bytes; offset += MIB) {
    await file.write(old, 0, Math.min(MIB, bytes - offset), offset);
  }
  await file.close();
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', path]);
  // An old member of a RAID is known by the block before the last one: md(4), version 1.0.
  const member = await bench.loop(path);
  await run(['mkswap', '--quiet', '--force', member], { okExitCodes: [0] });
  await writeMdSuperblock(member, bytes);
  return member;
}

/** Enough of a superblock of version 1.0 that blkid takes the device for a member. */
async function writeMdSuperblock(device: string, bytes: number): Promise<void> {
  const offset = (Math.floor(bytes / 512) - 16) * 512 - (((Math.floor(bytes / 512) - 16) * 512) % 4096);
  const superblock = Buffer.alloc(256);
  superblock.writeUInt32LE(0xa92b4efc, 0);
  superblock.writeUInt32LE(1, 4);
  superblock.writeBigUInt64LE(BigInt(offset / 512), 144);
  const file = await open(device, 'r+');
  await file.write(superblock, 0, superblock.length, offset);
  await file.sync();
  await file.close();
  assert.match(await signaturesOn(device), /linux_raid_member/);
}

async function signaturesOn(device: string): Promise<string> {
  const { stdout } = await run(['wipefs', '--noheadings', '--output', 'TYPE,OFFSET,UUID', device]);
  return stdout;
}

async function fillMounted(bench: Workbench, device: string): Promise<void> {
  const folder = await bench.mount(device);
  for (let number = 0; number < 40; number++) {
    await mkdir(join(folder, `${number}`));
    await writeFile(join(folder, `${number}`, 'small'), randomBytes(number * 37));
  }
  await writeFile(join(folder, 'large'), randomBytes(3 * MIB + 7));
  await bench.unmount(folder);
}

async function fillFat(bench: Workbench, device: string): Promise<void> {
  const local = join(bench.folder, 'local');
  await writeFile(local, Buffer.concat([Buffer.alloc(600_000), randomBytes(400_000)]));
  await run(['mmd', '-i', device, '::FOLDER']);
  await run(['mcopy', '-i', device, local, '::FOLDER/with a long name.txt']);
}

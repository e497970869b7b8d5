import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import type { Disk } from '@diskferry/protocol/disk';
import { openBlockDisk } from './block-disk.ts';
import { describeNamedDisk } from './named-disk.ts';

const SIZE = 3 * 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'diskferry-block-disk-'));
after(() => rm(folder, { recursive: true }));

function makeFile(name: string, content: Uint8Array = randomBytes(SIZE)): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A file of tmpfs, which can punch holes, but not zero a range that keeps its space. */
function makeFileInMemory(t: TestContext): string | undefined {
  const TMPFS_MAGIC = 0x01021994;
  if (!existsSync('/dev/shm') || statfsSync('/dev/shm').type !== TMPFS_MAGIC) {
    t.skip('/dev/shm is not a tmpfs');
    return undefined;
  }
  const memory = mkdtempSync('/dev/shm/diskferry-');
  t.after(() => rm(memory, { recursive: true }));
  const path = join(memory, 'disk');
  writeFileSync(path, randomBytes(SIZE));
  return path;
}

function open(path: string, { sectorSize = 512, writable = false } = {}): Promise<Disk> {
  return openBlockDisk(describeNamedDisk(path, { sectorSize }), { writable });
}

for (const sectorSize of [512, 4096]) {
  test(`sectors of ${sectorSize} bytes are read where they are asked for`, async () => {
    const path = makeFile(`read-${sectorSize}`);
    const disk = await open(path, { sectorSize });
    const target = Buffer.alloc(2 * sectorSize);
    await disk.read(5 * sectorSize, target);
    await disk.close();
    assert.deepEqual(target, readFileSync(path).subarray(5 * sectorSize, 7 * sectorSize));
    assert.equal(disk.size, SIZE);
    assert.deepEqual(disk.sectorSize, { logical: sectorSize, physical: sectorSize });
  });

  test(`a request that is not a multiple of ${sectorSize} bytes is refused`, async () => {
    const disk = await open(makeFile(`unaligned-${sectorSize}`), { sectorSize, writable: true });
    const refusal = {
      errno: 'EINVAL',
      message: new RegExp(`unaligned-${sectorSize}: .*${sectorSize} bytes$`),
    };
    await assert.rejects(disk.read(sectorSize / 2, Buffer.alloc(sectorSize)), refusal);
    await assert.rejects(disk.read(0, Buffer.alloc(sectorSize + 1)), refusal);
    await assert.rejects(disk.write(sectorSize, Buffer.alloc(sectorSize / 2)), refusal);
    await assert.rejects(disk.writeZeroes(1, sectorSize), refusal);
    await assert.rejects(disk.discard(0, 1), refusal);
    await disk.close();
  });
}

test('many reads at once get their own bytes', async () => {
  const path = makeFile('parallel');
  const disk = await open(path);
  const targets = Array.from({ length: 100 }, () => Buffer.alloc(4096));
  await Promise.all(targets.map((target, index) => disk.read(index * 4096, target)));
  await disk.close();
  assert.deepEqual(Buffer.concat(targets), readFileSync(path).subarray(0, 100 * 4096));
});

test('a disk is read-only unless writing was granted, and its file stays as it was', async () => {
  const path = makeFile('read-only');
  const before = readFileSync(path);
  const disk = await open(path);
  assert.equal(disk.readOnly, true);
  const refusal = { name: 'DiskError', errno: 'EPERM', message: /read-only: .* is served read-only/ };
  await assert.rejects(disk.write(0, Buffer.alloc(512)), refusal);
  await assert.rejects(disk.writeZeroes(0, 512), refusal);
  await assert.rejects(disk.discard(0, 512), refusal);
  await disk.flush();
  await disk.close();
  assert.deepEqual(readFileSync(path), before);
});

test('a disk that protects itself stays read-only when writing is granted', async () => {
  const described = describeNamedDisk(makeFile('protected'), { sectorSize: 512 });
  const disk = await openBlockDisk(
    { ...described, info: { ...described.info, readOnly: true } },
    { writable: true },
  );
  assert.equal(disk.readOnly, true);
  await assert.rejects(disk.write(0, Buffer.alloc(512)), { errno: 'EPERM' });
  await disk.close();
});

test('a write changes exactly its bytes', async () => {
  const path = makeFile('write');
  const expected = readFileSync(path);
  const data = randomBytes(1024);
  data.copy(expected, 512);
  const disk = await open(path, { writable: true });
  assert.equal(disk.readOnly, false);
  await disk.write(512, data, { fua: true });
  await disk.flush();
  await disk.close();
  assert.deepEqual(readFileSync(path), expected);
});

for (const mayPunch of [true, false]) {
  test(`zeros replace exactly their range, ${mayPunch ? 'and' : 'and do not'} give its space back`, async () => {
    const path = makeFile(`zeroes-${mayPunch}`);
    const length = 2 * 1024 * 1024 + 512;
    const expected = readFileSync(path).fill(0, 512, 512 + length);
    const disk = await open(path, { writable: true });
    await disk.writeZeroes(512, length, { mayPunch });
    await disk.close();
    assert.deepEqual(readFileSync(path), expected);
  });
}

test('zeros are written out, in more than one piece, by a file system that has no other way', async (t) => {
  const path = makeFileInMemory(t);
  if (path === undefined) return;
  const length = 2 * 1024 * 1024 + 512;
  const expected = readFileSync(path).fill(0, 512, 512 + length);
  const disk = await open(path, { writable: true });
  await disk.writeZeroes(512, length);
  await disk.close();
  assert.deepEqual(readFileSync(path), expected);
});

test('zeros that shall be fast are refused where they are not, and nothing is changed', async (t) => {
  const path = makeFileInMemory(t);
  if (path === undefined) return;
  const before = readFileSync(path);
  const disk = await open(path, { writable: true });
  await assert.rejects(disk.writeZeroes(0, SIZE, { fast: true }), {
    name: 'DiskError',
    errno: 'ENOTSUP',
    message: /no way to zero a range that is faster/,
  });
  await disk.close();
  assert.deepEqual(readFileSync(path), before);
});

test('a discard leaves the bytes around its range alone', async () => {
  const path = makeFile('discard');
  const before = readFileSync(path);
  const disk = await open(path, { writable: true });
  await disk.discard(4096, 8192);
  await disk.close();
  const now = readFileSync(path);
  assert.deepEqual(now.subarray(0, 4096), before.subarray(0, 4096));
  assert.deepEqual(now.subarray(12_288), before.subarray(12_288));
});

test('a discard never makes a disk larger or smaller', async () => {
  const path = makeFile('discard-end');
  const disk = await open(path, { writable: true });
  await disk.discard(SIZE - 4096, 4096);
  await disk.close();
  assert.equal(readFileSync(path).length, SIZE);
});

test('a file that is cut short while it is served gives an I/O error with its name, not old bytes', async () => {
  const path = makeFile('cut-short');
  const disk = await open(path);
  truncateSync(path, 1024);
  await assert.rejects(disk.read(512, Buffer.alloc(4096)), {
    name: 'DiskError',
    errno: 'EIO',
    message: /^cut-short: cannot read at byte 1024: the disk ends there/,
  });
  await disk.close();
});

test('a file that is cut short has no holes to tell', async (t) => {
  const path = makeFile('cut-holes');
  const disk = await open(path);
  t.after(() => disk.close());
  if (disk.extents === undefined) return t.skip('native calls are not to be had');
  assert.deepEqual(await disk.extents(0, SIZE), [{ length: SIZE, hole: false, zero: false }]);
  truncateSync(path, 1024);
  const refusal = {
    name: 'DiskError',
    errno: 'EIO',
    message: /^cut-holes: cannot find holes at byte 0: EIO/,
  };
  await assert.rejects(disk.extents(0, SIZE), refusal);
});

test('a disk that is closed answers nothing from memory', async (t) => {
  const disk = await open(makeFile('closed-cache'));
  await disk.close();
  if (disk.cache === undefined) return t.skip('native calls are not to be had');
  assert.equal(disk.cache.has(0, 512), false);
  assert.equal(disk.cache.read(0, Buffer.alloc(512)), false);
  assert.equal(disk.cache.send(1, Buffer.alloc(16), 0, 512), 0);
});

test('a file that was cut short before it is opened is refused', async () => {
  const path = makeFile('cut-before');
  const described = describeNamedDisk(path, { sectorSize: 512 });
  truncateSync(path, 512);
  await assert.rejects(openBlockDisk(described), {
    errno: 'EIO',
    message: /had 3145728 bytes and has 512 now/,
  });
});

test('a disk that is gone is refused with its name', async () => {
  const described = describeNamedDisk(makeFile('gone'), { sectorSize: 512 });
  await rm(described.path);
  await assert.rejects(openBlockDisk(described), {
    name: 'DiskError',
    errno: 'ENOENT',
    message: /^gone: cannot open/,
  });
});

test('a failing system call becomes a disk error with its number and the disk', async () => {
  const disk = await open(makeFile('closed'));
  await disk.close();
  await assert.rejects(disk.read(512, Buffer.alloc(512)), {
    name: 'DiskError',
    errno: 'EBADF',
    message: 'closed: cannot read at byte 512: EBADF',
  });
});

test('paths that are no disk are refused with the reason', () => {
  const refused = (path: string, message: RegExp): void =>
    assert.throws(() => describeNamedDisk(path, { sectorSize: 4096 }), { code: 'DISK_UNUSABLE', message });
  refused(join(folder, 'missing'), /missing: there is no such file$/);
  refused(folder, /neither a block device nor a plain file/);
  refused('/dev/null', /neither a block device nor a plain file/);
  refused(makeFile('empty', Buffer.alloc(0)), /the file is empty/);
  refused(
    makeFile('odd', Buffer.alloc(5120)),
    /5120 bytes, is not a multiple of the sector size, 4096 bytes/,
  );
});

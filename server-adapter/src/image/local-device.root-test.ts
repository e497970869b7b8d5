import { useTestFolder } from '../testing/test-folder.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { attachDisk } from '../switch.ts';

extendPath();

const MIB = 1024 * 1024;
const folder = useTestFolder();

let count = 0;

interface Device {
  readonly path: string;
  readonly file: string;
}

/** A block device over a file, until the session ends. */
async function newDevice(
  session: Session,
  size: number,
  sectorBytes = 512,
  ...more: string[]
): Promise<Device> {
  const file = join(folder, `${count++}.raw`);
  writeFileSync(file, '');
  truncateSync(file, size);
  session.hold({ kind: 'loop', backing: file });
  const command = ['--find', '--show', '--sector-size', String(sectorBytes), ...more, file];
  const { stdout } = await run(['losetup', ...command]);
  return { path: stdout.trim(), file };
}

function fileBytes(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, offset);
  closeSync(file);
  return bytes;
}

describe('a block device of this server', () => {
  for (const logical of [512, 4096]) {
    test(`with sectors of ${logical} bytes is read and written as it is`, async () => {
      await using session = openSession('test');
      const { path, file } = await newDevice(session, 16 * MIB, logical);
      const disk = await attachDisk({ kind: 'device', path }, { session, mode: 'write' });
      assert.equal(disk.size, 16 * MIB);
      assert.equal(disk.sectorSize.logical, logical);
      await assert.rejects(attachDisk({ kind: 'device', path }, { session, mode: 'write' }), {
        code: 'DEVICE_BUSY',
      });
      const bytes = randomBytes(MIB);
      await disk.write(3 * MIB, bytes);
      await disk.detach();
      await run(['sync', path]);
      assert.ok(fileBytes(file, 3 * MIB, MIB).equals(bytes));

      const source = await attachDisk({ kind: 'device', path }, { session, mode: 'copy-on-write' });
      assert.ok((await source.read(3 * MIB, MIB)).equals(bytes));
      await source.write(3 * MIB, Buffer.alloc(MIB));
      await source.detach();
      assert.ok(fileBytes(file, 3 * MIB, MIB).equals(bytes), 'the source was written');
    });
  }

  test('is one disk of its segments, which carry a file system', async () => {
    await using session = openSession('test');
    const { path, file } = await newDevice(session, 48 * MIB);
    const outside = randomBytes(MIB);
    const handle = openSync(file, 'r+');
    writeSync(handle, outside, 0, MIB, 20 * MIB);
    closeSync(handle);
    const segments = [
      { start: 21 * MIB, size: 24 * MIB },
      { start: 4 * MIB, size: 16 * MIB },
    ];
    const disk = await attachDisk({ kind: 'device', path, segments }, { session, mode: 'write' });
    assert.equal(disk.size, 40 * MIB);
    await run(['mke2fs', '-q', '-t', 'ext4', '-d', '/etc/alternatives', disk.device]);
    const bytes = randomBytes(2 * MIB);
    const from = await attachDisk(
      { kind: 'device', path, segments: [{ start: 0, size: 48 * MIB }] },
      { session, mode: 'copy-on-write' },
    );
    await disk.write(23 * MIB, bytes);
    // Copying goes through the segments, too.
    await from.copyTo(disk, [{ start: 20 * MIB, size: MIB, to: 39 * MIB }], {
      onProgress: () => {},
      zeroed: false,
    });
    await from.detach();
    await disk.detach();
    await run(['sync', path]);
    assert.ok(fileBytes(file, 44 * MIB, MIB).equals(bytes.subarray(0, MIB)));
    assert.ok(fileBytes(file, 4 * MIB, MIB).equals(bytes.subarray(MIB)));
    assert.ok(fileBytes(file, 19 * MIB, MIB).equals(outside));
    assert.ok(fileBytes(file, 20 * MIB, MIB).equals(outside), 'bytes beside the segments were changed');
    assert.equal(fileBytes(file, 21 * MIB + 1024 + 56, 2).toString('hex'), '53ef');
  });

  test('is refused with its user: what is mounted, swap, or carries another volume', async () => {
    await using session = openSession('test');
    const attach = (path: string, mode: 'write' | 'copy-on-write' = 'write'): Promise<unknown> =>
      attachDisk({ kind: 'device', path }, { session, mode });

    const mountedDevice = await newDevice(session, 16 * MIB);
    await run(['mke2fs', '-q', '-t', 'ext4', mountedDevice.path]);
    const mountPoint = join(folder, 'mounted');
    await mkdir(mountPoint);
    session.hold({ kind: 'mount', path: mountPoint });
    await run(['mount', mountedDevice.path, mountPoint]);
    const mounted = { code: 'DEVICE_BUSY', message: new RegExp(`is mounted on ${mountPoint}; unmount it`) };
    await assert.rejects(attach(mountedDevice.path), mounted);
    await assert.rejects(attach(mountedDevice.path, 'copy-on-write'), mounted);
    await run(['mount', '-o', 'remount,ro', mountPoint]);
    await assert.rejects(attach(mountedDevice.path), mounted);
    const source = await attachDisk(
      { kind: 'device', path: mountedDevice.path },
      { session, mode: 'copy-on-write' },
    );
    await source.detach();
    await session.release({ kind: 'mount', path: mountPoint });

    const swap = await newDevice(session, 16 * MIB);
    await run(['mkswap', swap.path]);
    await run(['swapon', swap.path]);
    try {
      await assert.rejects(attach(swap.path), { code: 'DEVICE_BUSY', message: /swapoff/ });
    } finally {
      await run(['swapoff', swap.path]);
    }

    const below = await newDevice(session, 16 * MIB);
    session.hold({ kind: 'loop', backing: below.path });
    const { stdout } = await run(['losetup', '--find', '--show', below.path]);
    await assert.rejects(attach(below.path), {
      code: 'DEVICE_BUSY',
      message: new RegExp(`carries ${stdout.trim()}`),
    });
  });

  test('is refused when it is none, is write-protected, or is smaller than a sector', async () => {
    await using session = openSession('test');
    const attach = (path: string): Promise<unknown> =>
      attachDisk({ kind: 'device', path }, { session, mode: 'write' });
    await assert.rejects(attach('/dev/null'), { code: 'DEVICE_MISSING' });
    await assert.rejects(attach('/dev/no-such-disk'), { code: 'DEVICE_MISSING' });
    const { path } = await newDevice(session, 16 * MIB, 512, '--read-only');
    await assert.rejects(attach(path), { code: 'DEVICE_READ_ONLY' });
    const empty = await newDevice(session, 0);
    await assert.rejects(attach(empty.path), { code: 'DEVICE_EMPTY' });
  });
});

import { useTestFolder } from './testing/test-folder.ts';
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { isRunning } from '@diskferry/system/process-identity';
import type { Resource } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';
import { cleanUp, listSessions, openSession, type Session } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { createImage, inspectImage } from './image/virtual-disk.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import { attachDisk } from './switch.ts';
import { serveFile } from './testing/image-server.ts';
import { assertNothingIsLeft } from './testing/leftovers.ts';
import { comparableTable, sfdiskTable } from './testing/sfdisk.ts';

extendPath();

const MIB = 1024 * 1024;

const folder = useTestFolder();

let count = 0;
function newPath(name: string): string {
  return join(folder, `${count++}-${name}`);
}

function emptyFile(size: number): string {
  const path = newPath('disk.raw');
  writeFileSync(path, '');
  truncateSync(path, size);
  return path;
}

async function newImage(size: number): Promise<string> {
  const path = newPath('image.qcow2');
  await createImage(path, 'qcow2', size);
  return path;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Mounts for the time of `work`. */
async function mounted<T>(
  session: Session,
  device: string,
  work: (mountPoint: string) => Promise<T>,
): Promise<T> {
  const mountPoint = newPath('mount');
  await mkdir(mountPoint);
  const resource: Resource = { kind: 'mount', path: mountPoint };
  session.hold(resource);
  try {
    await run(['mount', device, mountPoint]);
    return await work(mountPoint);
  } finally {
    await session.release(resource);
  }
}

function attachImage(
  session: Session,
  path: string,
  format: 'qcow2' | 'raw' = 'qcow2',
): Promise<SimulatedDisk> {
  return attachDisk({ kind: 'image', path, format }, { session, mode: 'write' });
}

function adapterOf(session: Session): Extract<Resource, { kind: 'process' }> {
  const found = session.held.find((resource) => resource.kind === 'process');
  return found ?? assert.fail('the session holds no process');
}

describe('an image attached for writing', () => {
  test('keeps a file system with its files, and gives back what fstrim frees', async () => {
    await using session = openSession('test');
    const path = await newImage(512 * MIB);
    const disk = await attachImage(session, path);
    await run(['mkfs.ext4', '-q', '-E', 'nodiscard', disk.device]);
    const big = Buffer.alloc(64 * MIB, 'diskferry');
    await mounted(session, disk.device, async (mountPoint) => {
      await writeFile(join(mountPoint, 'small'), 'kept');
      await writeFile(join(mountPoint, 'big'), big);
    });
    await disk.detach();
    const full = (await inspectImage(path)).allocatedSize;
    assert.ok(full > big.length, `${full} bytes are allocated`);

    const again = await attachImage(session, path);
    await mounted(session, again.device, async (mountPoint) => {
      assert.deepEqual(await readFile(join(mountPoint, 'big')), big);
      await rm(join(mountPoint, 'big'));
      await run(['sync', '-f', mountPoint]);
      await run(['fstrim', mountPoint]);
    });
    await again.detach();
    const trimmed = (await inspectImage(path)).allocatedSize;
    assert.ok(trimmed < full - 60 * MIB, `${full} bytes were allocated, ${trimmed} still are`);

    const last = await attachImage(session, path);
    await mounted(session, last.device, async (mountPoint) => {
      assert.equal(await readFile(join(mountPoint, 'small'), 'utf8'), 'kept');
      assert.deepEqual((await readdir(mountPoint)).sort(), ['lost+found', 'small']);
    });
    await last.detach();
    await run(['qemu-img', 'check', path]);
  });

  for (const logical of [512, 4096]) {
    test(`with ${logical}-byte sectors has a device, a partition table and partitions of such sectors`, async () => {
      await using session = openSession('test');
      const path = await newImage(64 * MIB);
      const disk = await attachDisk(
        { kind: 'image', path, format: 'qcow2' },
        { session, mode: 'write', sectorSize: { logical, physical: 4096 } },
      );
      const queue = `/sys/block/${basename(disk.device)}/queue/logical_block_size`;
      assert.equal((await readFile(queue, 'utf8')).trim(), String(logical));
      await run(['sfdisk', '-q', '--no-reread', '--no-tell-kernel', disk.device], {
        input: 'label: gpt\nsize=16MiB, name="one"\nsize=20MiB, name="two"\n',
      });
      const table = await disk.readPartitionTable();
      assert.deepEqual(comparableTable(table), await sfdiskTable(disk.device));

      const [one, two] = table.partitions;
      assert.ok(one !== undefined && two !== undefined);
      const devices = [await disk.attachPartition(one), await disk.attachPartition(two)];
      for (const [index, device] of devices.entries()) {
        await run(['mkfs.ext4', '-q', device]);
        await mounted(session, device, (mountPoint) =>
          writeFile(join(mountPoint, 'name'), `partition ${index}`),
        );
      }
      await disk.detach();

      const again = await attachDisk(
        { kind: 'image', path, format: 'qcow2' },
        { session, mode: 'copy-on-write', sectorSize: { logical, physical: 4096 } },
      );
      const device = await again.attachPartition(two);
      await mounted(session, device, async (mountPoint) => {
        assert.equal(await readFile(join(mountPoint, 'name'), 'utf8'), 'partition 1');
      });
      await again.detach();
    });
  }

  test('is read and written by byte offsets, and its counters tell what passed', async () => {
    await using session = openSession('test');
    const path = emptyFile(16 * MIB);
    const disk = await attachImage(session, path, 'raw');
    const data = Buffer.alloc(MIB, 'payload');
    await disk.write(3 * MIB, data);
    assert.deepEqual(await disk.read(3 * MIB, data.length), data);
    await run(['sync', disk.device]);
    const { sourceBytesWritten, layerBytesWritten } = await disk.counters();
    assert.equal(sourceBytesWritten, data.length);
    assert.equal(layerBytesWritten, 0);
    await disk.detach();
    const file = await open(path);
    const read = Buffer.alloc(data.length);
    await file.read(read, 0, read.length, 3 * MIB);
    await file.close();
    assert.deepEqual(read, data);
  });

  test('does not go when another disk of the same session is detached', async () => {
    await using session = openSession('test');
    const disks = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const disk = await attachImage(session, emptyFile(16 * MIB), 'raw');
        await disk.write(0, Buffer.alloc(4096, name));
        return disk;
      }),
    );
    const [one, two] = disks;
    assert.ok(one !== undefined && two !== undefined);
    await one.detach();
    await run(['blockdev', '--flushbufs', two.device]);
    assert.deepEqual(await two.read(0, 4096), Buffer.alloc(4096, 'two'));
    await two.detach();
    assert.deepEqual(session.held, []);
  });

  test('and the disk of which is full says so: its failure rejects, and detaching does not report a success', async () => {
    await using session = openSession('test');
    const small = newPath('small');
    await mkdir(small);
    session.hold({ kind: 'mount', path: small });
    await run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
    const path = join(small, 'image.qcow2');
    await createImage(path, 'qcow2', 64 * MIB);
    const disk = await attachImage(session, path);
    await assert.rejects(
      run(['dd', 'if=/dev/urandom', `of=${disk.device}`, 'bs=1M', 'count=8', 'oflag=direct']),
      /error writing/,
    );
    await assert.rejects(disk.failure, {
      code: 'WRITE_FAILED',
      message: /image\.qcow2 cannot be written: .*ENOSPC/s,
    });
    await assert.rejects(disk.detach(), { code: 'WRITE_FAILED', message: /not everything was written/ });
  });
});

/** A raw file with an ext4 whose last changes are only in its journal, as after a power cut. */
async function dirtyFileSystem(session: Session): Promise<string> {
  const path = emptyFile(64 * MIB);
  await run(['mkfs.ext4', '-q', path]);
  const copy = newPath('dirty.raw');
  session.hold({ kind: 'loop', backing: path });
  const { stdout } = await run(['losetup', '--find', '--show', path]);
  await mounted(session, stdout.trim(), async (mountPoint) => {
    await writeFile(join(mountPoint, 'journaled'), 'written before the power cut');
    await run(['sync', '-f', mountPoint]);
    await run(['sync', path]);
    await run(['cp', path, copy]);
  });
  const { stdout: superblock } = await run(['dumpe2fs', '-h', copy]);
  assert.match(superblock, /needs_recovery/);
  return copy;
}

describe('a remote disk attached copy-on-write', () => {
  test('has its journal replayed, takes changes and trims, and its source stays as it is', async () => {
    await using session = openSession('test');
    const path = await dirtyFileSystem(session);
    const before = await sha256(path);
    const server = await serveFile(session, path);
    const disk = await attachDisk(
      { kind: 'remote', address: server.address },
      { session, mode: 'copy-on-write' },
    );
    await mounted(session, disk.device, async (mountPoint) => {
      assert.equal(await readFile(join(mountPoint, 'journaled'), 'utf8'), 'written before the power cut');
      await writeFile(join(mountPoint, 'new'), Buffer.alloc(8 * MIB, 'new'));
      await run(['fstrim', mountPoint]);
    });
    await run(['e2fsck', '-fn', disk.device]);
    await mounted(session, disk.device, async (mountPoint) => {
      assert.deepEqual(await readFile(join(mountPoint, 'new')), Buffer.alloc(8 * MIB, 'new'));
    });
    const { sourceBytesWritten, layerBytesWritten, sourceBytesRead } = await disk.counters();
    assert.equal(sourceBytesWritten, 0);
    assert.ok(layerBytesWritten >= 8 * MIB);
    assert.ok(sourceBytesRead < 32 * MIB, `${sourceBytesRead} bytes were read of a nearly empty disk`);
    await disk.detach();
    server.kill();
    assert.equal(await sha256(path), before);
  });

  test('that vanishes while it is read fails with its name, and everything can be given back', async () => {
    await using session = openSession('test');
    const path = emptyFile(256 * MIB);
    const server = await serveFile(session, path);
    const disk = await attachDisk(
      { kind: 'remote', address: server.address },
      { session, mode: 'copy-on-write', reconnectLimitMs: 500 },
    );
    // A disk that is read for ever: the server vanishes in the middle of it, whenever that is.
    const reading = readUntilItFails(disk.device);
    while ((await disk.counters()).sourceBytesRead < MIB) await new Promise(setImmediate);
    server.kill();
    await assert.rejects(disk.failure, { code: 'SOURCE_LOST', message: /nbd\+unix:.* is lost: / });
    await assert.rejects(reading, { code: 'EIO' });
    await disk.detach();
  });

  test('that is away for a while makes its readers wait, and nothing fails', async () => {
    await using session = openSession('test');
    const path = newPath('disk.raw');
    await run(['dd', 'if=/dev/urandom', `of=${path}`, 'bs=1M', 'count=64', 'status=none']);
    const server = await serveFile(session, path);
    const notices: string[] = [];
    const disk = await attachDisk(
      { kind: 'remote', address: server.address },
      { session, mode: 'copy-on-write', onNotice: (message) => notices.push(message) },
    );
    await disk.write(0, Buffer.alloc(4096, 'kept over the interruption'));
    server.kill();
    const reading = sha256(disk.device);
    // Until the adapter has noticed, which the reader makes it.
    while (notices.length === 0) await sleep(20);
    await server.startAgain();
    const expected = await readFile(path);
    expected.fill('kept over the interruption', 0, 4096);
    assert.equal(await reading, createHash('sha256').update(expected).digest('hex'));
    assert.match(notices[0] ?? '', /it is tried again for 120 s/);
    assert.match(notices.at(-1) ?? '', /is there again/);
    await disk.detach();
    server.kill();
  });

  test('that is away fails its readers at once when the work is interrupted', async () => {
    await using session = openSession('test');
    const server = await serveFile(session, emptyFile(256 * MIB));
    const interrupted = new AbortController();
    const noticed = Promise.withResolvers<string>();
    const disk = await attachDisk(
      { kind: 'remote', address: server.address },
      { session, mode: 'copy-on-write', signal: interrupted.signal, onNotice: noticed.resolve },
    );
    server.kill();
    const reading = readUntilItFails(disk.device);
    await noticed.promise;
    interrupted.abort(new Error('the user had enough'));
    await assert.rejects(reading, { code: 'EIO' });
    await disk.detach();
  });

  test('is refused for writing when its server exports it read-only', async () => {
    await using session = openSession('test');
    const { address } = await serveFile(session, emptyFile(16 * MIB), { readOnly: true });
    const before = [...session.held];
    await assert.rejects(attachDisk({ kind: 'remote', address }, { session, mode: 'write' }), {
      code: 'SOURCE_READ_ONLY',
      message: /--writable/,
    });
    assert.deepEqual(session.held, before);
  });

  test('with a full layer says so', async () => {
    await using session = openSession('test');
    const small = newPath('small');
    await mkdir(small);
    session.hold({ kind: 'mount', path: small });
    await run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
    process.env['DISKFERRY_SCRATCH'] = small;
    const disk = await attachDisk(
      { kind: 'image', path: emptyFile(16 * MIB), format: 'raw' },
      { session, mode: 'copy-on-write' },
    );
    delete process.env['DISKFERRY_SCRATCH'];
    await assert.rejects(
      run(['dd', 'if=/dev/urandom', `of=${disk.device}`, 'bs=1M', 'count=4', 'oflag=direct']),
    );
    await assert.rejects(disk.failure, {
      code: 'WRITE_FAILED',
      message: /layer in .*ENOSPC.*DISKFERRY_SCRATCH/s,
    });
    await assert.rejects(disk.detach(), { code: 'WRITE_FAILED' });
  });
});

async function readUntilItFails(device: string): Promise<never> {
  const file = await open(device, 'r');
  try {
    const buffer = Buffer.alloc(MIB);
    for (let offset = 0; ; offset = (offset + MIB) % (256 * MIB)) {
      // Otherwise the second round comes from the cache and needs no server.
      if (offset === 0) await run(['blockdev', '--flushbufs', device]);
      await file.read(buffer, 0, buffer.length, offset);
    }
  } finally {
    await file.close();
  }
}

describe('a source that cannot be attached leaves nothing behind:', () => {
  async function refused(path: string, format: 'qcow2' | 'raw' = 'qcow2'): Promise<Error> {
    await using session = openSession('test');
    try {
      await attachImage(session, path, format);
    } catch (error) {
      assert.deepEqual(session.held, []);
      return error as Error;
    }
    return assert.fail('it was attached');
  }

  test('an image that is not there', async () => {
    assert.match(
      (await refused('/nowhere/image.qcow2')).message,
      /image \/nowhere\/image.qcow2 cannot be opened: there is no such file/,
    );
  });

  test('a folder', async () => {
    assert.match((await refused(folder)).message, /is not a file/);
  });

  test('an image with a damaged header', async () => {
    const path = await newImage(16 * MIB);
    const file = await open(path, 'r+');
    // The number of the version, which must be 2 or 3.
    await file.write(Buffer.of(0xff), 0, 1, 4);
    await file.close();
    assert.match((await refused(path)).message, new RegExp(`image ${path} cannot be read: .*version`));
  });

  test('an image that is cut off', async () => {
    const path = await newImage(16 * MIB);
    truncateSync(path, 40);
    assert.match((await refused(path)).message, new RegExp(path));
  });

  test('a raw file that is called qcow2', async () => {
    assert.match((await refused(emptyFile(MIB))).message, /cannot be read: Image is not in qcow2 format/);
  });

  test('an image that is attached already', async () => {
    await using session = openSession('test');
    const path = await newImage(16 * MIB);
    const disk = await attachImage(session, path);
    assert.match((await refused(path)).message, new RegExp(`image ${path} is in use`));
    await disk.detach();
  });

  test('a server that is not there', async () => {
    await using session = openSession('test');
    const address = { transport: 'unix', socketPath: '/nowhere/socket', exportName: 'sda' } as const;
    await assert.rejects(attachDisk({ kind: 'remote', address }, { session, mode: 'copy-on-write' }), {
      code: 'NBD_UNREACHABLE',
    });
    assert.deepEqual(session.held, []);
  });

  test('an attempt that is aborted', async () => {
    await using session = openSession('test');
    const controller = new AbortController();
    const attempt = attachDisk(
      { kind: 'image', path: await newImage(16 * MIB), format: 'qcow2' },
      { session, mode: 'write', signal: controller.signal },
    );
    controller.abort(new Error('the user had enough'));
    await assert.rejects(attempt, /the user had enough/);
    assert.deepEqual(session.held, []);
  });
});

describe('after a crash', () => {
  let parent: ChildProcess;

  /** A process of its own group that attaches a raw image and a partition of it, and waits. */
  async function attachInChild(): Promise<{ session: Session; device: string }> {
    parent = fork(join(import.meta.dirname, 'testing', 'attach-and-wait.ts'), [emptyFile(16 * MIB)], {
      detached: true,
      execArgv: [],
    });
    const [message] = (await once(parent, 'message')) as [{ device: string; session: string }];
    const session = listSessions().find(({ id }) => id === message.session);
    return { session: session ?? assert.fail('the session is not listed'), device: message.device };
  }

  test('of the adapter (kill -9), reads fail, the failure names it, and everything can be given back', async () => {
    await using session = openSession('test');
    const disk = await attachImage(session, emptyFile(16 * MIB), 'raw');
    await disk.attachPartition({ start: MIB, size: MIB });
    process.kill(adapterOf(session).pid, 'SIGKILL');
    await assert.rejects(disk.failure, { code: 'ADAPTER_FAILED', message: /ended unexpectedly \(SIGKILL\)/ });
    await assert.rejects(disk.read(0, 4096), { code: 'EIO' });
    await assert.rejects(disk.counters(), { code: 'ADAPTER_FAILED' });
    await assert.rejects(disk.detach(), { code: 'ADAPTER_FAILED' });
    await assertNothingIsLeft();
    assert.deepEqual(session.held, []);
  });

  test('of the process that attached (kill -9), cleanUp gives everything back', async () => {
    const { session } = await attachInChild();
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    assert.ok(isRunning(adapterOf(session)));
    assert.deepEqual(
      (await cleanUp()).map(({ id }) => id),
      [session.id],
    );
  });

  test('of both (kill -9), cleanUp gives everything back', async () => {
    const { session } = await attachInChild();
    parent.kill('SIGKILL');
    process.kill(adapterOf(session).pid, 'SIGKILL');
    await once(parent, 'exit');
    await cleanUp();
    assert.deepEqual(listSessions(), []);
  });

  test('Ctrl-C in a terminal ends the process that attached, not the adapter, and the disk can still be read', async () => {
    const { session, device } = await attachInChild();
    // A terminal sends SIGINT to the whole process group.
    process.kill(-(parent.pid ?? assert.fail('no process')), 'SIGINT');
    await once(parent, 'exit');
    assert.ok(isRunning(adapterOf(session)));
    await run(['dd', `if=${device}`, 'of=/dev/null', 'iflag=direct', 'bs=1M', 'count=1']);
    await cleanUp();
  });
});

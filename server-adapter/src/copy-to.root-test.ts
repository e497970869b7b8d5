import { useTestFolder } from './testing/test-folder.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { run } from '@diskferry/system/run';
import { openSession, type Session } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { createImage, inspectImage } from './image/virtual-disk.ts';
import type { CopyOptions, SimulatedDisk } from './simulated-disk.ts';
import { attachDisk } from './switch.ts';
import { serveFile } from './testing/image-server.ts';

extendPath();

const MIB = 1024 * 1024;
const folder = useTestFolder();

let count = 0;
function newPath(name: string): string {
  return join(folder, `${count++}-${name}`);
}

interface Written {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A raw file with bytes at places, and holes elsewhere. */
function rawFile(size: number, written: readonly Written[] = []): string {
  const path = newPath('disk.raw');
  writeFileSync(path, '');
  truncateSync(path, size);
  const file = openSync(path, 'r+');
  for (const { offset, bytes } of written) writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  return path;
}

function attachSource(session: Session, path: string): Promise<SimulatedDisk> {
  return attachDisk({ kind: 'image', path, format: 'raw' }, { session, mode: 'copy-on-write' });
}

async function newImage(
  session: Session,
  size: number,
  path = newPath('image.qcow2'),
): Promise<SimulatedDisk> {
  await createImage(path, 'qcow2', size);
  return attachDisk({ kind: 'image', path, format: 'qcow2' }, { session, mode: 'write' });
}

/** A disk that is written through its adapter, as one of another computer. */
async function remoteDisk(session: Session, path: string): Promise<SimulatedDisk> {
  const { address } = await serveFile(session, path);
  return attachDisk({ kind: 'remote', address }, { session, mode: 'write' });
}

function options(more: Partial<CopyOptions> = {}): CopyOptions {
  return { onProgress: () => {}, zeroed: true, ...more };
}

describe('copying from one simulated disk to another', () => {
  test('moves each piece to its place in an image, and tells how far it is', async () => {
    await using session = openSession('test');
    const bytes = randomBytes(8 * MIB);
    const from = await attachSource(session, rawFile(64 * MIB, [{ offset: 3 * MIB + 512, bytes }]));
    const to = await newImage(session, 96 * MIB);
    const progress: number[] = [];
    const pieces = [
      { start: 10 * MIB, size: MIB, to: 80 * MIB + 4096 },
      { start: 3 * MIB + 512, size: 5 * MIB + 1536, to: 512 },
    ];
    // The kernel has seen the zeros that were there.
    assert.deepEqual(await to.read(0, 4096), Buffer.alloc(4096));
    await from.copyTo(to, pieces, options({ onProgress: (bytes) => progress.push(bytes) }));
    assert.deepEqual(await to.read(0, 512), Buffer.alloc(512));
    assert.deepEqual(await to.read(512, 5 * MIB + 1536), bytes.subarray(0, 5 * MIB + 1536));
    assert.deepEqual(await to.read(5 * MIB + 2048, MIB), Buffer.alloc(MIB));
    const at = 10 * MIB - (3 * MIB + 512);
    assert.deepEqual(await to.read(80 * MIB + 4096, MIB), bytes.subarray(at, at + MIB));
    assert.equal(progress.at(-1), 6 * MIB + 1536);
    const { sourceBytesWritten } = await to.counters();
    assert.ok(sourceBytesWritten >= 6 * MIB + 1536, `${sourceBytesWritten} bytes were written`);
    await assert.rejects(from.copyTo(to, [{ start: 60 * MIB, size: 5 * MIB, to: 0 }], options()), RangeError);
    await from.detach();
    await to.detach();
  });

  test('reads what was written to the layer of the source, and zeroes old data of another computer', async () => {
    await using session = openSession('test');
    const old = randomBytes(8 * MIB);
    const path = rawFile(16 * MIB, [{ offset: 0, bytes: old }]);
    const from = await attachSource(session, rawFile(16 * MIB, [{ offset: 0, bytes: old }]));
    const to = await remoteDisk(session, path);
    const partition = await to.attachPartition({ start: 2 * MIB, size: 2 * MIB });
    // What is not written to the adapter yet, and what the kernel knows of the destination.
    const changed = randomBytes(64 * 1024);
    await from.write(2 * MIB, changed);
    await from.write(4 * MIB, Buffer.alloc(4 * MIB));
    await run(['cmp', partition, '/dev/zero'], { okExitCodes: [1] });
    await from.copyTo(to, [{ start: 0, size: 16 * MIB, to: 0 }], options({ zeroed: false }));
    const expected = Buffer.concat([old.subarray(0, 4 * MIB), Buffer.alloc(12 * MIB)]);
    changed.copy(expected, 2 * MIB);
    assert.ok((await to.read(0, 16 * MIB)).equals(expected));
    const seen = newPath('seen');
    await run(['dd', `if=${partition}`, `of=${seen}`, 'bs=64K', 'count=1', 'status=none']);
    const wanted = newPath('wanted');
    await writeFile(wanted, changed);
    await run(['cmp', seen, wanted]);

    await to.zero({ start: 512, size: 3 * MIB });
    expected.fill(0, 512, 512 + 3 * MIB);
    assert.ok((await to.read(0, 16 * MIB)).equals(expected));
    await from.detach();
    await to.detach();
  });

  test('fails with the reason of the destination, which cannot be taken for whole then', async () => {
    await using session = openSession('test');
    const small = newPath('small');
    await mkdir(small);
    session.hold({ kind: 'mount', path: small });
    await run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small]);
    const bytes = randomBytes(16 * MIB);
    const from = await attachSource(session, rawFile(16 * MIB, [{ offset: 0, bytes }]));
    const to = await newImage(session, 64 * MIB, join(small, 'full.qcow2'));
    await assert.rejects(
      from.copyTo(to, [{ start: 0, size: 16 * MIB, to: 0 }], options()),
      /ENOSPC|No space left/,
    );
    await assert.rejects(to.failure, { code: 'WRITE_FAILED', message: /full\.qcow2 cannot be written/ });
    await from.detach();
    await assert.rejects(to.detach(), { code: 'WRITE_FAILED' });
  });

  test('fails with the reason of a source that is lost', async () => {
    await using session = openSession('test');
    const server = await serveFile(session, rawFile(64 * MIB, [{ offset: 0, bytes: randomBytes(MIB) }]), {
      readOnly: true,
    });
    const from = await attachDisk(
      { kind: 'remote', address: server.address },
      { session, mode: 'copy-on-write', reconnectLimitMs: 0 },
    );
    const to = await newImage(session, 64 * MIB);
    server.kill();
    await assert.rejects(from.copyTo(to, [{ start: 0, size: 64 * MIB, to: 0 }], options()), {
      code: 'SOURCE_LOST',
    });
    await to.detach();
    await from.detach().catch(() => {});
  });

  test('that is interrupted ends at once, though its source is waited for', async () => {
    await using session = openSession('test');
    const server = await serveFile(session, rawFile(64 * MIB, [{ offset: 0, bytes: randomBytes(MIB) }]), {
      readOnly: true,
    });
    const life = new AbortController();
    const from = await attachDisk(
      { kind: 'remote', address: server.address },
      {
        session,
        mode: 'copy-on-write',
        onNotice: () => life.abort(new Error('the user has had enough')),
      },
    );
    const to = await newImage(session, 64 * MIB);
    server.kill();
    await assert.rejects(
      from.copyTo(to, [{ start: 0, size: 64 * MIB, to: 0 }], options({ signal: life.signal })),
      /the user has had enough/,
    );
    await to.detach();
    await from.detach().catch(() => {});
  });
});

test('what fstrim discards on a source is told, reads as zeros and is not copied', async () => {
  await using session = openSession('test');
  const path = rawFile(64 * MIB);
  await run(['mke2fs', '-q', '-t', 'ext4', '-E', 'nodiscard', '-d', '/etc/alternatives', path, '32m']);
  const junk = randomBytes(MIB);
  const file = openSync(path, 'r+');
  // Where this file system has neither files nor metadata.
  for (let at = 26; at < 31; at++) writeSync(file, junk, 0, junk.length, at * MIB);
  closeSync(file);
  const from = await attachSource(session, path);
  const mountPoint = newPath('mount');
  await mkdir(mountPoint);
  session.hold({ kind: 'mount', path: mountPoint });
  await run(['mount', '-o', 'noinit_itable', from.device, mountPoint]);
  await run(['fstrim', mountPoint]);
  await session.release({ kind: 'mount', path: mountPoint });

  const discarded = await from.discardedRanges({ start: 0, size: 64 * MIB });
  const total = discarded.reduce((sum, { size }) => sum + size, 0);
  assert.ok(total > 16 * MIB && total < 32 * MIB, `${total} bytes were discarded`);
  assert.ok(
    discarded.some(({ start, size }) => start <= 26 * MIB && start + size >= 31 * MIB),
    'the junk was discarded',
  );
  const inside = await from.discardedRanges({ start: 27 * MIB, size: MIB });
  assert.deepEqual(inside, [{ start: 27 * MIB, size: MIB }]);
  const image = newPath('image.qcow2');
  const to = await newImage(session, 64 * MIB, image);
  await from.copyTo(to, [{ start: 0, size: 64 * MIB, to: 0 }], options());
  assert.deepEqual(await to.read(27 * MIB, MIB), Buffer.alloc(MIB));
  await run(['e2fsck', '-fn', to.device]);
  await to.detach();
  await from.detach();
  const { allocatedSize } = await inspectImage(image);
  assert.ok(allocatedSize < 12 * MIB, `${allocatedSize} bytes are in the image`);
});

import assert from 'node:assert/strict';
import { readFileSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { DiskError } from '@diskferry/protocol/disk';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import type { NbdDisk } from '@diskferry/protocol/nbd/nbd-disk';
import { run } from '@diskferry/system/run';
import { atEnd } from '../setup/at-end.ts';
import { makeFaultyFile } from '../setup/faulty-file.ts';
import { startImagingClient } from '../setup/imaging-client.ts';
import { missing, notRoot } from '../setup/programs.ts';
import { KIB, MIB, randomFile, scratchFolder } from '../setup/scratch.ts';

const SIZE = 2 * MIB;
const BAD = { start: MIB, end: MIB + 4 * KIB };
const skip = notRoot || missing('nbdkit', 'nbdfuse');

async function readPiece(disk: NbdDisk, start: number, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length);
  await disk.read(start, target);
  return target;
}

function isInputError(error: unknown): boolean {
  return error instanceof DiskError && error.errno === 'EIO';
}

describe('the imaging client serves a disk', () => {
  test('with a bad place: that place cannot be read, everything else can', { skip }, async (t) => {
    const folder = scratchFolder(t);
    const bytes = randomFile(join(folder, 'bytes'), SIZE);
    const content = readFileSync(bytes);
    const { path } = await makeFaultyFile(t, { folder, name: 'bad.raw', bytes, bad: BAD });
    const client = await startImagingClient(t, { disks: [path] });
    const disk = await connectNbd(client.address(path));

    assert.ok((await readPiece(disk, 0, BAD.start)).equals(content.subarray(0, BAD.start)));
    await assert.rejects(readPiece(disk, BAD.start, 512), isInputError);
    await assert.rejects(readPiece(disk, BAD.start - 64 * KIB, 128 * KIB), isInputError);
    assert.ok((await readPiece(disk, BAD.end, SIZE - BAD.end)).equals(content.subarray(BAD.end)));
    // Side by side, each with an answer of its own.
    const pieces = Array.from({ length: SIZE / (64 * KIB) }, (_, index) => index * 64 * KIB);
    const outcomes = await Promise.allSettled(pieces.map((start) => readPiece(disk, start, 64 * KIB)));
    const failed = pieces.filter((_, index) => outcomes[index]?.status === 'rejected');
    assert.deepEqual(failed, [BAD.start]);
    await disk.close();
  });

  test('that is taken out: its reads fail, other disks are served on', { skip }, async (t) => {
    const folder = scratchFolder(t);
    const bytes = randomFile(join(folder, 'bytes'), SIZE);
    const other = randomFile(join(folder, 'other.raw'), SIZE);
    const faulty = await makeFaultyFile(t, { folder, name: 'gone.raw', bytes, bad: { start: 0, end: 0 } });
    const client = await startImagingClient(t, { disks: [faulty.path, other] });
    const [gone, staying] = await Promise.all([
      connectNbd(client.address(faulty.path)),
      connectNbd(client.address(other)),
    ]);
    assert.ok((await readPiece(gone, 0, 4096)).equals(readFileSync(bytes).subarray(0, 4096)));
    await faulty.remove();
    await assert.rejects(readPiece(gone, MIB, MIB), isInputError);
    await assert.rejects(readPiece(gone, SIZE - 512, 512), isInputError);
    assert.ok((await readPiece(staying, 0, SIZE)).equals(readFileSync(other)));
    // Whoever comes anew is told, and finds the other disk.
    await assert.rejects(async () => {
      const again = await connectNbd(client.address(faulty.path));
      await readPiece(again, 0, SIZE);
    });
    const again = await connectNbd(client.address(other));
    assert.ok((await readPiece(again, 0, 4096)).equals(readFileSync(other).subarray(0, 4096)));
    await Promise.all([gone.close(), staying.close(), again.close()]);
  });

  test('on a block device whose medium shrinks: what is gone cannot be read', {
    skip: notRoot,
  }, async (t) => {
    const folder = scratchFolder(t);
    const backing = randomFile(join(folder, 'backing'), SIZE);
    const { stdout } = await run(['losetup', '--find', '--show', '--read-only', backing]);
    const device = stdout.trim();
    atEnd(t, () => run(['losetup', '--detach', device]));
    const client = await startImagingClient(t, { disks: [device] });
    const disk = await connectNbd({ ...client.address(device), exportName: basename(device) });
    assert.equal((await readPiece(disk, 0, 4096)).length, 4096);
    truncateSync(backing, 64 * KIB);
    await assert.rejects(readPiece(disk, MIB, MIB), isInputError);
    assert.ok(client.isRunning());
    await disk.close();
  });
});

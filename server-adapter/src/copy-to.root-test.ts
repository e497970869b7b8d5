import { sessionsFolder } from './testing/own-sessions.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { cleanUp, openSession, type Session } from '@diskferry/system/session';
import { extendPath } from '@diskferry/system/tools';
import { createImage } from './image/virtual-disk.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import { attachDisk } from './switch.ts';
import { assertNothingIsLeft } from './testing/leftovers.ts';

extendPath();

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'diskferry-test-'));
after(async () => {
  await cleanUp();
  await rm(folder, { recursive: true, force: true });
  await rm(sessionsFolder, { recursive: true, force: true });
});
afterEach(assertNothingIsLeft);

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

function source(session: Session, path: string): Promise<SimulatedDisk> {
  return attachDisk({ kind: 'image', path, format: 'raw' }, { session, mode: 'copy-on-write' });
}

async function newImage(session: Session, size: number): Promise<SimulatedDisk> {
  const path = newPath('image.qcow2');
  await createImage(path, 'qcow2', size);
  return attachDisk({ kind: 'image', path, format: 'qcow2' }, { session, mode: 'write' });
}

describe('copying from one simulated disk to another', () => {
  test('moves each piece to its place, and nothing else', async () => {
    await using session = openSession('test');
    const bytes = randomBytes(8 * MIB);
    const from = await source(session, rawFile(64 * MIB, [{ offset: 3 * MIB + 512, bytes }]));
    const to = await newImage(session, 96 * MIB);
    const progress: number[] = [];
    await from.copyTo(
      to,
      [
        { start: 10 * MIB, size: MIB, to: 80 * MIB + 4096 },
        { start: 3 * MIB + 512, size: 5 * MIB + 1536, to: 512 },
      ],
      { zeroed: true, onProgress: (bytes) => progress.push(bytes) },
    );
    assert.deepEqual(await to.read(0, 512), Buffer.alloc(512));
    assert.deepEqual(await to.read(512, 5 * MIB + 1536), bytes.subarray(0, 5 * MIB + 1536));
    assert.deepEqual(await to.read(5 * MIB + 2048, MIB), Buffer.alloc(MIB));
    const at = 10 * MIB - (3 * MIB + 512);
    assert.deepEqual(await to.read(80 * MIB + 4096, MIB), bytes.subarray(at, at + MIB));
    assert.equal(progress.at(-1), 6 * MIB + 1536);
    await from.detach();
    await to.detach();
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { changeRange } from './range-thread.ts';

const MiB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'diskferry-ranges-'));
after(() => rm(folder, { recursive: true }));

function openFile(name: string): { path: string; fd: number } & Disposable {
  const path = join(folder, name);
  writeFileSync(path, randomBytes(4 * MiB));
  const fd = openSync(path, 'r+');
  fsyncSync(fd);
  return { path, fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Bytes of the file system that a file occupies. */
const occupied = (path: string): number => statSync(path).blocks * 512;

test('a punched range reads as zeros and gives its space back', async () => {
  using file = openFile('punch');
  const expected = readFileSync(file.path).fill(0, MiB, 3 * MiB);
  const before = occupied(file.path);
  await changeRange('punch', { fd: file.fd, offset: MiB, length: 2 * MiB });
  assert.deepEqual(readFileSync(file.path), expected);
  // A file system may need a few blocks to tell of the hole.
  const given = before - occupied(file.path);
  assert.ok(given > MiB && given <= 2 * MiB, `${given} bytes were given back`);
});

test('a zeroed range reads as zeros and keeps its space', async () => {
  using file = openFile('zero');
  const expected = readFileSync(file.path).fill(0, 512, MiB + 512);
  const before = occupied(file.path);
  await changeRange('zero', { fd: file.fd, offset: 512, length: MiB });
  assert.deepEqual(readFileSync(file.path), expected);
  assert.ok(occupied(file.path) > before - MiB / 2);
});

test('many ranges at once are all done', async () => {
  using file = openFile('many');
  const expected = readFileSync(file.path);
  const offsets = Array.from({ length: 50 }, (_, index) => index * 64 * 1024);
  for (const offset of offsets) expected.fill(0, offset, offset + 4096);
  await Promise.all(offsets.map((offset) => changeRange('punch', { fd: file.fd, offset, length: 4096 })));
  assert.deepEqual(readFileSync(file.path), expected);
});

test('an error of the system is told with its name', async () => {
  const range = { fd: 999_999, offset: 0, length: 4096 };
  await assert.rejects(changeRange('punch', range), { code: 'EBADF' });
  await assert.rejects(changeRange('discard', range), { code: 'EBADF' });
});

test('a discard is refused by what is no block device', async () => {
  using file = openFile('plain');
  const range = { fd: file.fd, offset: 0, length: 4096 };
  await assert.rejects(changeRange('discard', range), { code: 'ENOTTY' });
});

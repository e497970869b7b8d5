import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, truncateSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type FileExtents, fileExtents } from './file-extents.ts';

const MiB = 1024 * 1024;
const SIZE = 16 * MiB;
const folder = mkdtempSync(join(tmpdir(), 'diskferry-extents-'));
after(() => rm(folder, { recursive: true }));

/** A file of {@link SIZE} bytes with data where `pieces` say, and holes elsewhere; closed after the test. */
function makeSparseFile(name: string, pieces: readonly { at: number; length: number }[]): string {
  const path = join(folder, name);
  const fd = openSync(path, 'w');
  for (const { at, length } of pieces) writeSync(fd, randomBytes(length), 0, length, at);
  closeSync(fd);
  truncateSync(path, SIZE);
  return path;
}

function finderOf(path: string, sectorBytes: number): { find: FileExtents } & Disposable {
  const fd = openSync(path, 'r');
  const find = fileExtents(fd, sectorBytes);
  assert.ok(find !== undefined, 'native calls are part of the Node that the tests run on');
  return { find, [Symbol.dispose]: () => closeSync(fd) };
}

const data = (length: number) => ({ length, hole: false, zero: false });
const hole = (length: number) => ({ length, hole: true, zero: true });

test('data and holes of a file follow each other as they lie in it', () => {
  const path = makeSparseFile('both', [
    { at: 2 * MiB, length: MiB },
    { at: 8 * MiB, length: 2 * MiB },
  ]);
  using file = finderOf(path, 512);
  const all = [hole(2 * MiB), data(MiB), hole(5 * MiB), data(2 * MiB), hole(6 * MiB)];
  assert.deepEqual(file.find(0, SIZE), all);
});

test('an answer covers exactly the range that was asked for', () => {
  using file = finderOf(makeSparseFile('part', [{ at: 4 * MiB, length: 4 * MiB }]), 512);
  assert.deepEqual(file.find(3 * MiB, 2 * MiB), [hole(MiB), data(MiB)]);
  assert.deepEqual(file.find(5 * MiB, 512), [data(512)]);
  assert.deepEqual(file.find(7 * MiB, 2 * MiB), [data(MiB), hole(MiB)]);
  assert.deepEqual(file.find(SIZE - 512, 512), [hole(512)]);
});

test('a file without holes is one extent of data, and one without data is one hole', () => {
  using full = finderOf(makeSparseFile('full', [{ at: 0, length: SIZE }]), 512);
  assert.deepEqual(full.find(0, SIZE), [data(SIZE)]);
  using empty = finderOf(makeSparseFile('empty', []), 512);
  assert.deepEqual(empty.find(0, SIZE), [hole(SIZE)]);
});

test('a sector that is a hole in part counts as data', () => {
  // File systems have blocks of 4 KiB: this one of data lies in the midst of a sector of 64 KiB.
  const path = makeSparseFile('large-sectors', [{ at: MiB + 32 * 1024, length: 4096 }]);
  using file = finderOf(path, 64 * 1024);
  assert.deepEqual(file.find(0, SIZE), [hole(MiB), data(64 * 1024), hole(SIZE - MiB - 64 * 1024)]);
});

test('a file with very many holes is told in parts, each of which goes on where the one before ended', () => {
  const pieces = Array.from({ length: 2000 }, (_, index) => ({ at: index * 8192, length: 4096 }));
  using file = finderOf(makeSparseFile('many', pieces), 512);
  let extents = 0;
  for (let at = 0; at < SIZE; ) {
    const part = file.find(at, SIZE - at);
    assert.ok(part.length > 0 && part.length <= 1024);
    extents += part.length;
    for (const { length, hole } of part) {
      assert.equal(hole, at % 8192 === 4096 || at === 2000 * 8192, `at ${at}`);
      at += length;
    }
  }
  assert.equal(extents, 4000);
});

test('a file that was cut short gives an error, not a hole that would be read as zeros', () => {
  const path = makeSparseFile('cut', [{ at: 0, length: SIZE }]);
  using file = finderOf(path, 512);
  truncateSync(path, MiB);
  assert.throws(() => file.find(0, SIZE), { code: 'EIO', message: 'the file has 1048576 bytes now' });
  assert.throws(() => file.find(4 * MiB, 512), { code: 'EIO' });
  assert.deepEqual(file.find(0, MiB), [data(MiB)]);
});

test('a descriptor that is not open gives the error of the system', () => {
  const find = fileExtents(999_999, 512);
  assert.throws(() => find?.(0, 512), { code: 'EBADF', syscall: 'lseek' });
});

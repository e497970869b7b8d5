import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { DiskError, type Extent } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import type { CopyPiece } from '../simulated-disk.ts';
import { copyPieces, type CopyPiecesOptions } from './copy-pieces.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A disk that notes what it is asked to do, as "what offset length". */
class NotingDisk extends MemoryDisk {
  readonly asked: string[] = [];

  override async read(offset: number, target: Uint8Array): Promise<void> {
    this.asked.push(`read ${offset} ${target.length}`);
    return super.read(offset, target);
  }

  override async write(offset: number, data: Uint8Array): Promise<void> {
    this.asked.push(`write ${offset} ${data.length}`);
    return super.write(offset, data);
  }

  override async writeZeroes(offset: number, length: number): Promise<void> {
    this.asked.push(`zero ${offset} ${length}`);
    return super.writeZeroes(offset, length);
  }
}

function options(more: Partial<CopyPiecesOptions> = {}): CopyPiecesOptions {
  return { zeroed: true, signal: new AbortController().signal, onDone: () => {}, ...more };
}

describe('copying pieces', () => {
  test('brings each to its place, also over the bounds of requests, and touches nothing else', async () => {
    const source = new MemoryDisk(randomBytes(8 * MIB));
    const before = randomBytes(8 * MIB);
    const destination = new MemoryDisk(Uint8Array.from(before));
    const pieces: CopyPiece[] = [
      { start: 0, size: 512, to: 8 * MIB - 512 },
      { start: 512, size: 3 * MIB + 512, to: MIB + 1024 },
      { start: 7 * MIB, size: MIB, to: 0 },
    ];
    let done = 0;
    await copyPieces(source, destination, pieces, options({ onDone: (bytes) => (done += bytes) }));
    const expected = Buffer.from(before);
    for (const { start, size, to } of pieces) expected.set(source.bytes.subarray(start, start + size), to);
    assert.ok(expected.equals(destination.bytes));
    assert.equal(done, 4 * MIB + 1024);
  });

  test('does not write zeros where the destination has them', async () => {
    const bytes = Buffer.alloc(4 * MIB);
    bytes[MIB + 100] = 1;
    const source = new MemoryDisk(bytes);
    const destination = new NotingDisk(new Uint8Array(4 * MIB));
    await copyPieces(source, destination, [{ start: 0, size: 4 * MIB, to: 0 }], options());
    assert.deepEqual(destination.asked, [`write ${MIB} ${64 * KIB}`]);
    assert.ok(bytes.equals(destination.bytes));
  });

  test('zeroes where the destination may hold anything', async () => {
    const bytes = Buffer.alloc(4 * MIB);
    bytes[MIB + 100] = 1;
    const source = new MemoryDisk(bytes);
    const destination = new NotingDisk(randomBytes(4 * MIB));
    await copyPieces(source, destination, [{ start: 0, size: 4 * MIB, to: 0 }], options({ zeroed: false }));
    assert.ok(bytes.equals(destination.bytes));
    assert.deepEqual(
      destination.asked.toSorted(),
      [`zero 0 ${MIB}`, `write ${MIB} ${MIB}`, `zero ${2 * MIB} ${MIB}`, `zero ${3 * MIB} ${MIB}`].toSorted(),
    );
  });

  test('does not read what is known to be zeros, unless it is short', async () => {
    const source = new NotingDisk(new Uint8Array(8 * MIB)) as NotingDisk & {
      extents?(offset: number, length: number): Promise<readonly Extent[]>;
    };
    const map: Extent[] = [
      { length: 64 * KIB, hole: false, zero: false },
      { length: 4 * KIB, hole: true, zero: true },
      { length: 60 * KIB, hole: false, zero: false },
      { length: 6 * MIB, hole: true, zero: true },
      // A hole that may read as anything is data.
      { length: 2 * MIB - 128 * KIB, hole: true, zero: false },
    ];
    // Two at a time, so that the copy has to ask again.
    source.extents = async (offset) => {
      const found: Extent[] = [];
      let at = 0;
      for (const extent of map) {
        if (at + extent.length > offset && found.length < 2) {
          found.push({ ...extent, length: at + extent.length - Math.max(at, offset) });
        }
        at += extent.length;
      }
      return found;
    };
    const destination = new NotingDisk(randomBytes(8 * MIB));
    await copyPieces(source, destination, [{ start: 0, size: 8 * MIB, to: 0 }], options({ zeroed: false }));
    const read = source.asked.reduce((sum, asked) => sum + Number(asked.split(' ')[2]), 0);
    assert.equal(read, 2 * MIB);
    assert.ok(destination.bytes.every((byte) => byte === 0));
  });

  test('ends with the first failure, and nothing is under way then', async () => {
    const source = new MemoryDisk(randomBytes(64 * MIB));
    let underWay = 0;
    let written = 0;
    const destination = {
      async write(offset: number): Promise<void> {
        underWay++;
        written++;
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
        if (offset === 4 * MIB) throw new DiskError('ENOSPC', 'the disk is full');
      },
      writeZeroes: async (): Promise<void> => {},
    };
    await assert.rejects(
      copyPieces(source, destination, [{ start: 0, size: 64 * MIB, to: 0 }], options()),
      /the disk is full/,
    );
    assert.equal(underWay, 0);
    assert.ok(written < 64, `${written} of 64 units were written`);
  });

  test('that is aborted does not wait for a source that answers nothing', async () => {
    const life = new AbortController();
    const source = { read: () => new Promise<void>(() => {}) };
    const destination = new MemoryDisk(new Uint8Array(MIB));
    const copied = copyPieces(
      source,
      destination,
      [{ start: 0, size: MIB, to: 0 }],
      options({ signal: life.signal }),
    );
    life.abort(new Error('interrupted'));
    await assert.rejects(copied, /interrupted/);
  });
});

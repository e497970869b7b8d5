import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { DiskError, type Extent } from '@diskferry/protocol/disk';
import { MemoryDisk } from '@diskferry/protocol/memory-disk';
import { changeAtRandom, seededRandom } from '../testing/random-operations.ts';
import { segmentedDisk } from './segmented-disk.ts';

const KIB = 1024;
/** Not in the order of the disk, and with gaps. */
const SEGMENTS = [
  { start: 256 * KIB, size: 64 * KIB },
  { start: 0, size: 4 * KIB },
  { start: 128 * KIB, size: 100 * KIB },
  { start: 64 * KIB, size: 512 },
];
const SIZE = 168 * KIB + 512;

function joined(bytes: Uint8Array): Buffer {
  return Buffer.concat(SEGMENTS.map(({ start, size }) => bytes.subarray(start, start + size)));
}

describe('a disk made of segments', () => {
  test('reads as the segments one behind the other', async () => {
    const below = new MemoryDisk(randomBytes(512 * KIB));
    const disk = segmentedDisk(below, SEGMENTS);
    assert.equal(disk.size, SIZE);
    const expected = joined(below.bytes);
    const whole = Buffer.alloc(SIZE);
    await disk.read(0, whole);
    assert.ok(whole.equals(expected));
    for (const [offset, length] of [
      [64 * KIB - 512, 1024],
      [64 * KIB, 4 * KIB],
      [68 * KIB - 512, 512],
      [SIZE - 512, 512],
      [63 * KIB, 10 * KIB],
    ] as const) {
      const part = Buffer.alloc(length);
      await disk.read(offset, part);
      assert.ok(part.equals(expected.subarray(offset, offset + length)), `${length} bytes at ${offset}`);
    }
  });

  test('is written and zeroed in its segments only', async () => {
    const random = seededRandom(5);
    const below = new MemoryDisk(randomBytes(512 * KIB));
    const before = Buffer.from(below.bytes);
    const disk = segmentedDisk(below, SEGMENTS);
    const expected = joined(below.bytes);
    for (let round = 0; round < 20; round++) await changeAtRandom(disk, expected, random, 512);
    assert.ok(joined(below.bytes).equals(expected));
    const outside = Buffer.from(below.bytes);
    for (const { start, size } of SEGMENTS) before.copy(outside, start, start, start + size);
    assert.ok(outside.equals(before));
  });

  test('knows of the extents of the segment that is asked for, and no further', async () => {
    const below = new MemoryDisk(new Uint8Array(512 * KIB)) as MemoryDisk & {
      extents?(offset: number, length: number): Promise<readonly Extent[]>;
    };
    const asked: number[][] = [];
    below.extents = async (offset, length) => {
      asked.push([offset, length]);
      return [{ length, hole: true, zero: true }];
    };
    const disk = segmentedDisk(below, SEGMENTS);
    assert.deepEqual(await disk.extents?.(60 * KIB, 64 * KIB), [{ length: 4 * KIB, hole: true, zero: true }]);
    assert.deepEqual(await disk.extents?.(64 * KIB, KIB), [{ length: KIB, hole: true, zero: true }]);
    assert.deepEqual(asked, [
      [316 * KIB, 4 * KIB],
      [0, KIB],
    ]);
  });

  test('fails with the error of a segment after all of them have ended', async () => {
    const below = new MemoryDisk(new Uint8Array(512 * KIB));
    let ended = 0;
    below.read = async (offset) => {
      await new Promise((resolve) => setImmediate(resolve));
      ended++;
      if (offset === 0) throw new DiskError('EIO', 'a bad sector');
    };
    await assert.rejects(segmentedDisk(below, SEGMENTS).read(0, Buffer.alloc(SIZE)), /a bad sector/);
    assert.equal(ended, SEGMENTS.length);
  });

  for (const [what, segment] of [
    ['behind the end', { start: 512 * KIB - 512, size: 1024 }],
    ['of half a sector', { start: 256, size: 512 }],
    ['that is empty', { start: 0, size: 0 }],
    ['before the beginning', { start: -512, size: 1024 }],
  ] as const) {
    test(`cannot be made of a segment ${what}`, () => {
      assert.throws(() => segmentedDisk(new MemoryDisk(new Uint8Array(512 * KIB)), [segment]), {
        code: 'DEVICE_SEGMENTS',
      });
    });
  }
});

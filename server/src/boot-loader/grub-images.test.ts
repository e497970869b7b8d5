import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  coreLbaField,
  hardDiskBootCode,
  readBlockList,
  readGrubBootSector,
  withBlockList,
} from './grub-images.ts';
import { grubBootSector, grubCore, legacyBootSector } from './testing/grub-images.ts';

describe('the boot sector of GRUB', () => {
  test('says where the core is', () => {
    assert.deepEqual(readGrubBootSector(grubBootSector(2 ** 33 + 5)), { kind: 'grub', coreLba: 2 ** 33 + 5 });
  });

  test('is known from that of GRUB Legacy', () => {
    assert.deepEqual(readGrubBootSector(legacyBootSector()), { kind: 'grub-legacy' });
  });

  test('is known from those of others', () => {
    assert.equal(readGrubBootSector(Buffer.alloc(512)), undefined);
    // Not code: a name in the partition table's place.
    const sector = Buffer.alloc(512);
    sector.write('GRUB \0Geom\0Hard Disk\0Read\0 Error', 450, 'latin1');
    assert.equal(readGrubBootSector(sector), undefined);
  });

  test('gets another place of the core, and nothing else', () => {
    const sector = grubBootSector(1);
    const { offset, data } = coreLbaField(0x1_2345_6789);
    data.copy(sector, offset);
    assert.deepEqual(sector, grubBootSector(0x1_2345_6789));
  });

  test('for a hard disk does not test for a floppy drive, and is 440 bytes long', () => {
    const code = hardDiskBootCode(grubBootSector(1), 48);
    assert.equal(code.length, 440);
    const expected = grubBootSector(48).subarray(0, 440);
    expected.set([0x90, 0x90], 0x66);
    assert.deepEqual(code, expected);
  });
});

describe('the block list of a core', () => {
  test('is read from the end of the first sector downwards', () => {
    const core = grubCore(10, [
      [2, 5],
      [4096, 4],
    ]);
    assert.deepEqual(readBlockList(core.subarray(0, 512)), [
      { lba: 2, sectors: 5 },
      { lba: 4096, sectors: 4 },
    ]);
  });

  test('is not seen in other sectors', () => {
    assert.equal(readBlockList(Buffer.alloc(512)), undefined);
    assert.equal(readBlockList(grubBootSector(1)), undefined);
  });

  test('is written with the segments that follow from the lengths', () => {
    const first = grubCore(60, [[2, 59]]).subarray(0, 512);
    const list = [
      [9000, 20],
      [100, 30],
      [7, 9],
    ] as const;
    const runs = list.map(([lba, sectors]) => ({ lba, sectors }));
    assert.deepEqual(withBlockList(first, runs), grubCore(60, list).subarray(0, 512));
  });

  test('ends behind a shorter list', () => {
    const first = grubCore(10, [
      [2, 5],
      [4096, 2],
      [8000, 2],
    ]).subarray(0, 512);
    const written = withBlockList(first, [{ lba: 3, sectors: 9 }]);
    assert.deepEqual(readBlockList(written as Buffer), [{ lba: 3, sectors: 9 }]);
  });

  test('is refused when it would run into the code', () => {
    const first = grubCore(60, [[2, 59]]).subarray(0, 512);
    const runs = Array.from({ length: 13 }, (_, index) => ({ lba: index * 10, sectors: 4 }));
    assert.equal(withBlockList(first, runs), undefined);
    const crowded = Buffer.from(first);
    crowded.fill(0x90, 0x140, 470);
    assert.equal(withBlockList(crowded, runs.slice(0, 4)), undefined);
    assert.notEqual(withBlockList(crowded, runs.slice(0, 1)), undefined);
  });
});

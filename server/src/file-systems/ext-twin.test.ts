import assert from 'node:assert/strict';
import test from 'node:test';
import type { ExtSuperblock } from './ext-superblock.ts';
import { defaultJournalBlocks, type ExtSource, planExtTwin, smallestExt } from './ext-twin.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

function source(changes: Partial<ExtSuperblock> = {}, usedBytes = GIB): ExtSource {
  const raw = Buffer.alloc(1024);
  raw.writeUInt32LE(100_000, 0x08);
  const superblock = {
    inodeCount: 524_288,
    blockCount: 2_097_152,
    blockSize: 4096,
    clusterSize: 4096,
    blocksPerGroup: 32_768,
    inodeSize: 256,
    descriptorSize: 64,
    features: ['64bit', 'has_journal', 'sparse_super', 'resize_inode'],
    reservedGdtBlocks: 1023,
    raidStride: 0,
    raidStripeWidth: 0,
    raw,
    ...changes,
  } as ExtSuperblock;
  return {
    superblock,
    journal: { blocks: 16_384, fastCommitBlocks: 0 },
    use: { usedBytes, usedInodes: 50_000 },
    size: 8 * GIB,
  };
}

test('on a device of the same size the twin is the source', () => {
  const from = source();
  const { superblock, journal, sameGeometry } = planExtTwin(from, { bytes: 8 * GIB, sectorBytes: 512 });
  assert.equal(superblock, from.superblock);
  assert.equal(journal, from.journal);
  assert.equal(sameGeometry, true);
});

test('inodes, reserved blocks and a usual journal follow the size', () => {
  const { superblock, journal } = planExtTwin(source(), { bytes: 2 * GIB, sectorBytes: 512 });
  assert.deepEqual([superblock.blockCount, superblock.inodeCount], [524_288, 131_072]);
  assert.equal(superblock.raw.readUInt32LE(0x08), 25_000);
  assert.equal(journal.blocks, 16_384);
  assert.equal(planExtTwin(source(), { bytes: GIB, sectorBytes: 512 }).journal.blocks, 8192);
  assert.equal(planExtTwin(source(), { bytes: 200 * GIB, sectorBytes: 512 }).journal.blocks, 262_144);
});

test('there are always inodes for the files that are there', () => {
  const { superblock } = planExtTwin(source(), { bytes: 100 * MIB, sectorBytes: 512 });
  assert.ok(superblock.inodeCount >= 50_000);
});

test('blocks that are smaller than a sector become larger, with the stripes counted in the new ones', () => {
  const small = source({ blockSize: 1024, clusterSize: 1024, raidStride: 64, raidStripeWidth: 256 });
  const { superblock, sameGeometry } = planExtTwin(small, { bytes: 8 * GIB, sectorBytes: 4096 });
  assert.deepEqual(
    [superblock.blockSize, superblock.clusterSize, superblock.blockCount],
    [4096, 4096, 2_097_152],
  );
  assert.deepEqual([superblock.raidStride, superblock.raidStripeWidth, sameGeometry], [16, 64, false]);
});

test('without 64bit, no more blocks are made than 32 bits can count', () => {
  const from = source({ features: ['has_journal'] });
  assert.equal(planExtTwin(from, { bytes: 2 ** 45, sectorBytes: 512 }).superblock.blockCount, 2 ** 32 - 1);
});

test('the least size holds files and structures, and is never more than the source', () => {
  const least = smallestExt(source(), 512);
  assert.ok(least > GIB && least < 1.2 * GIB, `${least}`);
  assert.equal(smallestExt(source({}, 7.9 * GIB), 512), 8 * GIB);
});

test('the journal is as large as mke2fs makes it', () => {
  assert.deepEqual(
    [32_767, 32_768, 524_288, 5_000_000, 40_000_000].map(defaultJournalBlocks),
    [1024, 4096, 16_384, 32_768, 262_144],
  );
});

import assert from 'node:assert/strict';
import test from 'node:test';
import { featureNames } from './ext-features.ts';
import { lastingFeatures, mke2fsCommand } from './ext-mke2fs.ts';
import { parseSuperblock } from './ext-superblock.ts';

test('a superblock is decoded field by field', () => {
  const superblock = parseSuperblock(makeSuperblock());
  assert.deepEqual(
    {
      ...superblock,
      raw: undefined,
    },
    {
      inodeCount: 65536,
      blockCount: 262144 + 2 ** 32,
      freeBlocks: 1000,
      freeInodes: 0,
      firstDataBlock: 0,
      blockSize: 4096,
      clusterSize: 4096,
      blocksPerGroup: 32768,
      inodesPerGroup: 8192,
      hasErrors: true,
      revision: 1,
      inodeSize: 256,
      features: [
        'has_journal',
        'resize_inode',
        'filetype',
        'needs_recovery',
        '64bit',
        'flex_bg',
        'metadata_csum',
      ],
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      reservedGdtBlocks: 127,
      journalInode: 8,
      descriptorSize: 64,
      raidStride: 16,
      mmpInterval: 0,
      raidStripeWidth: 64,
      groupsPerFlex: 16,
      hasUserQuota: false,
      hasGroupQuota: false,
      hasProjectQuota: false,
      raw: undefined,
    },
  );
});

test('without the feature 64bit, the high halves of block numbers do not count', () => {
  const raw = makeSuperblock();
  raw.writeUInt32LE(0x2, 0x60);
  assert.equal(parseSuperblock(raw).blockCount, 262144);
});

test('something else than a superblock is refused', () => {
  assert.throws(() => parseSuperblock(Buffer.alloc(1024)), { code: 'DAMAGED' });
});

test('a feature without a name is told by its word and bit', () => {
  assert.deepEqual(featureNames(0x4, 0x80000000, 0x8), ['has_journal', 'FEATURE_I31', 'huge_file']);
});

test('the command for the twin states all that the superblock says, and not its state', () => {
  const superblock = parseSuperblock(makeSuperblock());
  assert.equal(lastingFeatures(superblock).includes('needs_recovery'), false);
  const command = mke2fsCommand(superblock, { blocks: 4352, fastCommitBlocks: 256 }, '/dev/x', true).join(
    ' ',
  );
  assert.equal(
    command,
    'mke2fs -F -F -q -o Linux -r 1 -O none,has_journal,resize_inode,filetype,64bit,flex_bg,metadata_csum ' +
      '-b 4096 -I 256 -N 65536 -U 00112233-4455-6677-8899-aabbccddeeff -G 16 -J size=16,fast_commit_size=1024 ' +
      `-E nodiscard,assume_storage_prezeroed=1,stride=16,stripe_width=64,resize=${(2049 + 127) * 64 * 32768} ` +
      `/dev/x ${262144 + 2 ** 32}`,
  );
});

test('where old data is, mke2fs relies on no zeros that are there already', () => {
  const superblock = parseSuperblock(makeSuperblock());
  const command = mke2fsCommand(superblock, { blocks: 4352, fastCommitBlocks: 256 }, '/dev/x', false);
  assert.match(
    command.join(' '),
    / -E nodiscard,assume_storage_prezeroed=0,lazy_itable_init=1,lazy_journal_init=0,stride=16,/,
  );
});

function makeSuperblock(): Buffer {
  const raw = Buffer.alloc(1024);
  const words: Record<number, number> = {
    0x0: 65536,
    0x4: 262144,
    0xc: 1000,
    0x18: 2,
    0x1c: 2,
    0x20: 32768,
    0x28: 8192,
    0x4c: 1,
    0x5c: 0x14,
    0x60: 0x2 | 0x4 | 0x80 | 0x200,
    0x64: 0x400,
    0xe0: 8,
    0x150: 1,
    0x170: 64,
  };
  for (const [offset, value] of Object.entries(words)) raw.writeUInt32LE(value, Number(offset));
  const halves: Record<number, number> = { 0x38: 0xef53, 0x3a: 3, 0x58: 256, 0xce: 127, 0xfe: 64, 0x164: 16 };
  for (const [offset, value] of Object.entries(halves)) raw.writeUInt16LE(value, Number(offset));
  Buffer.from('00112233445566778899aabbccddeeff', 'hex').copy(raw, 0x68);
  raw.writeUInt8(4, 0x174);
  return raw;
}

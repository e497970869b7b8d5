import type { Destination } from './destination.ts';
import type { Journal } from './ext-mke2fs.ts';
import type { ExtSuperblock } from './ext-superblock.ts';

const MIB = 1024 * 1024;
const BITS_PER_BYTE = 8;
/** Blocks smaller than a sector cannot be read; these can be read from every disk. */
const USUAL_BLOCK_BYTES = 4096;
const MAX_BLOCKS_32BIT = 2 ** 32 - 1;
const MAX_INODES = 2 ** 32 - 1;

/** What the files of a file system take, however it is laid out. */
export interface ExtUse {
  readonly usedBytes: number;
  readonly usedInodes: number;
}

/** The twin to be made: the source's superblock, with other sizes where its device has another size. */
export interface ExtTwin {
  readonly superblock: ExtSuperblock;
  readonly journal: Journal;
  /** Nothing differs from the source; else mke2fs may round the sizes. */
  readonly sameGeometry: boolean;
}

export interface ExtSource {
  readonly superblock: ExtSuperblock;
  readonly journal: Journal;
  readonly use: ExtUse;
  /** Of the device, in bytes. */
  readonly size: number;
}

/** Decides what is made on a device. On one of the source's size, that is exactly the source. */
export function planExtTwin(source: ExtSource, { bytes, sectorBytes }: Destination): ExtTwin {
  const { superblock, journal, size } = source;
  if (bytes === size && sectorBytes <= superblock.blockSize) {
    return { superblock, journal, sameGeometry: true };
  }
  const blockSize = sectorBytes > superblock.blockSize ? USUAL_BLOCK_BYTES : superblock.blockSize;
  const sameBlocks = blockSize === superblock.blockSize;
  const clusterSize = Math.max(blockSize, superblock.clusterSize);
  const clusterBlocks = clusterSize / blockSize;
  const room = Math.floor(bytes / clusterSize) * clusterBlocks;
  const blockCount = superblock.features.includes('64bit') ? room : Math.min(room, MAX_BLOCKS_32BIT);
  const growth = (blockCount * blockSize) / (superblock.blockCount * superblock.blockSize);
  const raidFactor = superblock.blockSize / blockSize;
  const planned = {
    ...superblock,
    blockSize,
    clusterSize,
    blockCount,
    blocksPerGroup: sameBlocks ? superblock.blocksPerGroup : blockSize * BITS_PER_BYTE,
    inodeCount: inodesFor(source, growth),
    reservedGdtBlocks: sameBlocks ? reservedDescriptors(superblock, blockCount) : 0,
    raidStride: Math.floor(superblock.raidStride * raidFactor),
    raidStripeWidth: Math.floor(superblock.raidStripeWidth * raidFactor),
  };
  return {
    superblock: { ...planned, raw: settingsFor(planned, superblock) },
    journal: journalFor(superblock, journal, planned),
    sameGeometry: false,
  };
}

function inodesFor({ superblock, use }: ExtSource, growth: number): number {
  const inProportion = Math.ceil(superblock.inodeCount * growth);
  const enough = Math.ceil(use.usedInodes * 1.1) + 64;
  return Math.min(Math.max(inProportion, enough), MAX_INODES);
}

function descriptorBlocks(
  { blocksPerGroup, blockSize, descriptorSize }: ExtSuperblock,
  blocks: number,
): number {
  return Math.ceil((Math.ceil(blocks / blocksPerGroup) * descriptorSize) / blockSize);
}

/** As many that it can grow to the same size as the source; 0 lets mke2fs choose. */
function reservedDescriptors(superblock: ExtSuperblock, blockCount: number): number {
  const all = descriptorBlocks(superblock, superblock.blockCount) + superblock.reservedGdtBlocks;
  const free = all - descriptorBlocks(superblock, blockCount);
  // The inode that holds them has one block of pointers.
  return Math.min(Math.max(free, 0), superblock.blockSize / 4);
}

/** Blocks of the journal that mke2fs gives to a file system by itself: lib/ext2fs/mkjournal.c. */
export function defaultJournalBlocks(blocks: number): number {
  const KI = 1024;
  const steps = [
    [32, 1],
    [256, 4],
    [512, 8],
    [4096, 16],
    [8192, 32],
    [16384, 64],
    [32768, 128],
  ] as const;
  const [, size] = steps.find(([limit]) => blocks < limit * KI) ?? [0, 256];
  return size * KI;
}

/** A journal of the usual size follows the file system; another one stays, but takes an eighth at most. */
function journalFor(source: ExtSuperblock, journal: Journal, planned: ExtSuperblock): Journal {
  if (journal.blocks === 0) return journal;
  const { blockSize, blockCount } = planned;
  const toBlocks = (bytes: number): number => (Math.floor(bytes / MIB) * MIB) / blockSize;
  const isUsual = journal.blocks - journal.fastCommitBlocks === defaultJournalBlocks(source.blockCount);
  const fastCommitBlocks = Math.ceil((journal.fastCommitBlocks * source.blockSize) / blockSize);
  const least = Math.max(1024, MIB / blockSize);
  const bounded = Math.max(toBlocks((blockCount * blockSize) / 8), least);
  const kept = toBlocks((journal.blocks - journal.fastCommitBlocks) * source.blockSize);
  const blocks = Math.min(isUsual ? defaultJournalBlocks(blockCount) : Math.max(kept, least), bounded);
  return { blocks: blocks + fastCommitBlocks, fastCommitBlocks };
}

/** The settings of the source, those that count blocks in proportion. */
function settingsFor(planned: ExtSuperblock, source: ExtSuperblock): Buffer {
  const raw = Buffer.from(source.raw);
  const has64Bit = source.features.includes('64bit');
  const reserved = raw.readUInt32LE(0x08) + (has64Bit ? raw.readUInt32LE(0x154) * 2 ** 32 : 0);
  const scaled = Math.floor(reserved * (planned.blockCount / source.blockCount));
  raw.writeUInt32LE(scaled % 2 ** 32, 0x08);
  raw.writeUInt32LE(has64Bit ? Math.floor(scaled / 2 ** 32) : raw.readUInt32LE(0x154), 0x154);
  raw.writeUInt16LE(planned.raidStride, 0x164);
  raw.writeUInt32LE(planned.raidStripeWidth, 0x170);
  return raw;
}

/** Files are packed as well as before, or better; directories may take a little more. */
const CONTENTS_GROWTH = 1.02;
const SLACK_BYTES = 4 * MIB;
const LEAST_BYTES = 16 * MIB;
const STEP = 1.01;

/** The least size of a device for the files: what they take, and what the twin's own structures take on it. */
export function smallestExt(source: ExtSource, sectorBytes: number): number {
  const { superblock, use, size } = source;
  const wasted = sectorBytes > superblock.blockSize ? use.usedInodes * USUAL_BLOCK_BYTES : 0;
  const contents = use.usedBytes * CONTENTS_GROWTH + wasted + SLACK_BYTES;
  let bytes = Math.min(LEAST_BYTES, size);
  while (bytes < contents + structureBytes(planExtTwin(source, { bytes, sectorBytes }))) {
    bytes = Math.ceil(bytes * STEP);
  }
  // Where the source is as full as this, it is the proof that its own size is enough.
  return sectorBytes > superblock.blockSize ? bytes : Math.min(bytes, size);
}

function structureBytes({ superblock, journal }: ExtTwin): number {
  const { blockSize, blockCount, blocksPerGroup, inodeCount, inodeSize, reservedGdtBlocks } = superblock;
  const groups = Math.ceil(blockCount / blocksPerGroup);
  const bitmaps = groups * 2 * blockSize;
  const descriptors = descriptorBlocks(superblock, blockCount) + (reservedGdtBlocks || blockSize / 4);
  const backups = superblock.features.includes('sparse_super') ? sparseGroups(groups) : groups;
  const inodes = (Math.ceil(inodeCount / groups) + blockSize / inodeSize) * groups * inodeSize;
  return inodes + bitmaps + backups * (descriptors + 1) * blockSize + journal.blocks * blockSize;
}

/** Groups 0, 1 and the powers of 3, 5 and 7 have a copy of the superblock and the descriptors. */
function sparseGroups(groups: number): number {
  const powers = [3, 5, 7].map((base) => Math.floor(Math.log(Math.max(groups, 1)) / Math.log(base)));
  return 2 + powers.reduce((sum, count) => sum + count, 0);
}

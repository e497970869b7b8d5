import { readAt, withDevice, writeAt } from './block-device.ts';
import { crc32c } from './crc32c.ts';
import { FileSystemError } from './errors.ts';
import { featureNames, HAS_JOURNAL } from './ext-features.ts';
import { formatUuid } from './format-uuid.ts';
import type { VolumeDifference } from './volume-differences.ts';

/** Layout of the superblock: the kernel's Documentation/filesystems/ext4/super.rst, all little-endian. */
const SUPERBLOCK_OFFSET = 1024;
const SUPERBLOCK_BYTES = 1024;
const MAGIC_OFFSET = 0x38;
const MAGIC = 0xef53;
const COMPATIBLE_OFFSET = 0x5c;
const CHECKSUM_OFFSET = 0x3fc;
const CHECKSUM_SEED = 0xffffffff;
const STATE_HAS_ERRORS = 0x2;

/** What is needed of an ext2, ext3 or ext4 superblock to make its twin. */
export interface ExtSuperblock {
  readonly inodeCount: number;
  readonly blockCount: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly firstDataBlock: number;
  /** In bytes. */
  readonly blockSize: number;
  /** The unit of allocation in bytes: more than a block with the feature bigalloc. */
  readonly clusterSize: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly hasErrors: boolean;
  /** 0 is the format before features existed. */
  readonly revision: number;
  readonly inodeSize: number;
  readonly features: readonly string[];
  readonly uuid: string;
  readonly reservedGdtBlocks: number;
  /** Inode of the journal; 0 when the journal is on another device. */
  readonly journalInode: number;
  readonly descriptorSize: number;
  readonly raidStride: number;
  readonly mmpInterval: number;
  readonly raidStripeWidth: number;
  readonly groupsPerFlex: number;
  readonly hasUserQuota: boolean;
  readonly hasGroupQuota: boolean;
  readonly hasProjectQuota: boolean;
  /** The 1024 bytes, for what is carried over as it is. */
  readonly raw: Buffer;
}

type Fields = readonly (readonly [offset: number, length: number, name: string])[];

/**
 * Settings and history that are carried byte for byte. mke2fs has no option for some, and others
 * (labels that are not UTF-8, reserved blocks) it cannot set exactly.
 */
const CARRIED: Fields = [
  [0x08, 4, 's_r_blocks_count_lo'],
  [0x2c, 4, 's_mtime'],
  [0x30, 4, 's_wtime'],
  [0x34, 2, 's_mnt_count'],
  [0x36, 2, 's_max_mnt_count'],
  [0x3c, 2, 's_errors'],
  [0x3e, 2, 's_minor_rev_level'],
  [0x40, 4, 's_lastcheck'],
  [0x44, 4, 's_checkinterval'],
  [0x48, 4, 's_creator_os'],
  [0x50, 2, 's_def_resuid'],
  [0x52, 2, 's_def_resgid'],
  [0x78, 16, 's_volume_name'],
  [0x88, 64, 's_last_mounted'],
  [0xcc, 2, 's_prealloc_blocks, s_prealloc_dir_blocks'],
  [0xec, 16, 's_hash_seed'],
  [0xfc, 1, 's_def_hash_version'],
  [0x100, 4, 's_default_mount_opts'],
  [0x108, 4, 's_mkfs_time'],
  [0x154, 4, 's_r_blocks_count_hi'],
  [0x15c, 12, 's_min_extra_isize, s_want_extra_isize, s_flags, s_raid_stride, s_mmp_interval'],
  [0x170, 4, 's_raid_stripe_width'],
  [0x178, 8, 's_kbytes_written'],
  [0x200, 64, 's_mount_opts'],
  [0x274, 4, 'high bytes of s_wtime, s_mtime, s_mkfs_time, s_lastcheck'],
];

/** s_overhead_clusters: the kernel writes a new sum when it mounts the file system without its journal. */
const COUNTED_WITH_JOURNAL: Fields = [[0x248, 4, 's_overhead_clusters']];

/** Reads and checks the superblock of a device. Throws {FileSystemError} `DAMAGED` when there is none. */
export async function readSuperblock(device: string): Promise<ExtSuperblock> {
  const raw = await withDevice(device, 'read', (file) => readAt(file, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES));
  return parseSuperblock(raw);
}

/** Decodes the 1024 bytes of a superblock. */
export function parseSuperblock(raw: Buffer): ExtSuperblock {
  if (raw.readUInt16LE(MAGIC_OFFSET) !== MAGIC) {
    throw new FileSystemError('DAMAGED', 'there is no ext2/3/4 superblock where it should be');
  }
  const u16 = (offset: number): number => raw.readUInt16LE(offset);
  const u32 = (offset: number): number => raw.readUInt32LE(offset);
  const features = featureNames(u32(COMPATIBLE_OFFSET), u32(0x60), u32(0x64));
  const high = (offset: number): number => (features.includes('64bit') ? u32(offset) * 2 ** 32 : 0);
  const revision = u32(0x4c);
  return {
    inodeCount: u32(0x0),
    blockCount: u32(0x4) + high(0x150),
    freeBlocks: u32(0xc) + high(0x158),
    freeInodes: u32(0x10),
    firstDataBlock: u32(0x14),
    blockSize: 1024 * 2 ** u32(0x18),
    clusterSize: 1024 * 2 ** u32(0x1c),
    blocksPerGroup: u32(0x20),
    inodesPerGroup: u32(0x28),
    hasErrors: (u16(0x3a) & STATE_HAS_ERRORS) !== 0,
    revision,
    inodeSize: revision === 0 ? 128 : u16(0x58),
    features,
    uuid: formatUuid(raw.subarray(0x68, 0x78)),
    reservedGdtBlocks: u16(0xce),
    journalInode: u32(0xe0),
    descriptorSize: features.includes('64bit') ? u16(0xfe) : 32,
    raidStride: u16(0x164),
    mmpInterval: u16(0x166),
    raidStripeWidth: u32(0x170),
    groupsPerFlex: 2 ** raw.readUInt8(0x174),
    hasUserQuota: u32(0x240) !== 0,
    hasGroupQuota: u32(0x244) !== 0,
    hasProjectQuota: u32(0x26c) !== 0,
    raw,
  };
}

/** Gives an unmounted file system the settings and the history of another. */
export async function carrySettings(from: ExtSuperblock, device: string): Promise<void> {
  await changeSuperblock(device, (raw) => copyFields(CARRIED, from.raw, raw));
}

/** The settings and the history that two superblocks do not have in common, by the names of their fields. */
export function differingSettings(wanted: ExtSuperblock, made: ExtSuperblock): VolumeDifference[] {
  return CARRIED.map(([offset, length, name]) => ({
    name,
    wanted: wanted.raw.toString('hex', offset, offset + length),
    made: made.raw.toString('hex', offset, offset + length),
  })).filter((field) => field.wanted !== field.made);
}

/** Ends `suspendJournal`, with the superblock as it was before it. */
export async function resumeJournal(before: ExtSuperblock, device: string): Promise<void> {
  await changeSuperblock(device, (raw) => {
    const journal = before.raw.readUInt32LE(COMPATIBLE_OFFSET) & HAS_JOURNAL;
    raw.writeUInt32LE((raw.readUInt32LE(COMPATIBLE_OFFSET) | journal) >>> 0, COMPATIBLE_OFFSET);
    copyFields(COUNTED_WITH_JOURNAL, before.raw, raw);
  });
}

/**
 * Makes the kernel ignore the journal and the default mount options for a while: `resumeJournal` ends it. The
 * journal's blocks stay allocated and untouched, so they stay holes, and nothing is written twice. A crash in
 * between costs nothing, because a twin that is not finished is thrown away.
 */
export async function suspendJournal(device: string): Promise<void> {
  await changeSuperblock(device, (raw) => {
    raw.writeUInt32LE((raw.readUInt32LE(COMPATIBLE_OFFSET) & ~HAS_JOURNAL) >>> 0, COMPATIBLE_OFFSET);
    raw.fill(0, 0x100, 0x104);
    raw.fill(0, 0x200, 0x240);
  });
}

function copyFields(fields: Fields, from: Buffer, to: Buffer): void {
  for (const [offset, length] of fields) from.copy(to, offset, offset, offset + length);
}

async function changeSuperblock(device: string, change: (raw: Buffer) => void): Promise<void> {
  await withDevice(device, 'exclusive', async (file) => {
    const raw = await readAt(file, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES);
    const { features } = parseSuperblock(raw);
    change(raw);
    if (features.includes('metadata_csum')) {
      raw.writeUInt32LE(crc32c(CHECKSUM_SEED, raw.subarray(0, CHECKSUM_OFFSET)), CHECKSUM_OFFSET);
    }
    await writeAt(file, SUPERBLOCK_OFFSET, raw);
  });
}

import { readAt, withDevice } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import { formatUuid } from './format-uuid.ts';

/** Layout: the kernel's include/uapi/linux/btrfs_tree.h, struct btrfs_super_block; little-endian. */
const SUPERBLOCK_OFFSET = 0x1_0000;
const SUPERBLOCK_BYTES = 4096;
const MAGIC = Buffer.from('_BHRfS_M', 'latin1');
const FLAG_SEEDING = 1n << 32n;
const FLAG_CHANGING_UUID = (1n << 35n) | (1n << 36n);

const INCOMPATIBLE = [
  'mixed-backref',
  'default-subvolume',
  'mixed-groups',
  'compress-lzo',
  'compress-zstd',
  'big-metadata',
  'extended-iref',
  'raid56',
  'skinny-metadata',
  'no-holes',
  'metadata-uuid',
  'raid1c34',
  'zoned',
  'extent-tree-v2',
  'raid-stripe-tree',
] as const;
const READ_ONLY_COMPATIBLE = [
  'free-space-tree',
  'free-space-tree-valid',
  'verity',
  'block-group-tree',
] as const;
const CHECKSUMS = ['crc32c', 'xxhash64', 'sha256', 'blake2b'] as const;

/** What has to be known of a Btrfs to move it, and to compare it afterwards. */
export interface BtrfsSuperblock {
  readonly uuid: string;
  readonly label: string;
  readonly totalBytes: number;
  /** Data and metadata, each counted once. */
  readonly usedBytes: number;
  readonly deviceCount: number;
  readonly sectorBytes: number;
  readonly nodeBytes: number;
  readonly checksum: string;
  readonly features: readonly string[];
  readonly isSeed: boolean;
  /** A change of the UUID was interrupted. */
  readonly isChangingUuid: boolean;
  /** There are writes that are in the log only: the file system was not unmounted. */
  readonly hasLog: boolean;
}

/** Reads the first superblock of a device. Throws {FileSystemError} `DAMAGED` when there is none. */
export async function readBtrfsSuperblock(device: string): Promise<BtrfsSuperblock> {
  return parseBtrfsSuperblock(
    await withDevice(device, 'read', (file) => readAt(file, SUPERBLOCK_OFFSET, SUPERBLOCK_BYTES)),
  );
}

/** Decodes the 4096 bytes of a superblock. Its checksum is the kernel's to verify, which knows all kinds. */
export function parseBtrfsSuperblock(raw: Buffer): BtrfsSuperblock {
  if (!raw.subarray(64, 72).equals(MAGIC)) {
    throw new FileSystemError('DAMAGED', 'there is no Btrfs superblock where it should be');
  }
  const u64 = (offset: number): number => Number(raw.readBigUInt64LE(offset));
  const flags = raw.readBigUInt64LE(56);
  const checksum = raw.readUInt16LE(196);
  return {
    uuid: formatUuid(raw.subarray(32, 48)),
    label: raw.toString('utf8', 299, 555).replace(/\0.*$/s, ''),
    totalBytes: u64(112),
    usedBytes: u64(120),
    deviceCount: u64(136),
    sectorBytes: raw.readUInt32LE(144),
    nodeBytes: raw.readUInt32LE(148),
    checksum: CHECKSUMS[checksum] ?? `kind ${checksum}`,
    features: [
      ...namesOf(raw.readBigUInt64LE(188), INCOMPATIBLE, 'I'),
      ...namesOf(raw.readBigUInt64LE(180), READ_ONLY_COMPATIBLE, 'R'),
    ],
    isSeed: (flags & FLAG_SEEDING) !== 0n,
    isChangingUuid: (flags & FLAG_CHANGING_UUID) !== 0n,
    hasLog: u64(96) !== 0,
  };
}

function namesOf(word: bigint, names: readonly string[], prefix: string): string[] {
  return Array.from({ length: 64 }, (_, bit) => bit)
    .filter((bit) => ((word >> BigInt(bit)) & 1n) === 1n)
    .map((bit) => names[bit] ?? `FEATURE_${prefix}${bit}`);
}

import { readAt, withDevice } from './block-device.ts';
import { crc32c } from './crc32c.ts';
import { FileSystemError } from './errors.ts';
import { formatUuid } from './format-uuid.ts';

/** Layout: the kernel's fs/xfs/libxfs/xfs_format.h, struct xfs_dsb; big-endian but for the checksum. */
const SUPERBLOCK_BYTES = 512;
const MAGIC = 0x58465342;
const CHECKSUM_OFFSET = 224;
const CHECKSUM_SEED = 0xffffffff;

const VERSION_MASK = 0xf;
const VERSION_LOG2 = 0x400;
const VERSION_BORG = 0x4000;
const FEATURES2_LAZY_COUNT = 0x2;
const FEATURES2_ATTR2 = 0x8;
const FEATURES2_PROJID32 = 0x80;
const FEATURES2_FTYPE = 0x200;

/** Names of the feature bits of version 5 as mkfs.xfs calls them. A bit without a name is "FEATURE_I13" and alike. */
const READ_ONLY_COMPATIBLE = ['finobt', 'rmapbt', 'reflink', 'inobtcount'] as const;
const INCOMPATIBLE = [
  'ftype',
  'sparse',
  'meta-uuid',
  'bigtime',
  'needs-repair',
  'nrext64',
  'exchange',
  'parent',
  'metadir',
  'zoned',
] as const;

/** What is needed of an XFS superblock to make its twin. Sizes and counts are in blocks where not in bytes. */
export interface XfsSuperblock {
  readonly version: number;
  readonly blockBytes: number;
  readonly dataBlocks: number;
  readonly agBlocks: number;
  readonly agCount: number;
  readonly sectorBytes: number;
  readonly inodeBytes: number;
  readonly directoryBlockBytes: number;
  readonly maxInodePercent: number;
  readonly usedInodes: number;
  readonly freeBlocks: number;
  readonly uuid: string;
  readonly label: string;
  /** Where the log is, in bytes; 0 when it is on another device. */
  readonly logOffset: number;
  readonly logBlocks: number;
  readonly logVersion: number;
  /** Of the log, in bytes; 0 or 1 for none. */
  readonly logStripeBytes: number;
  readonly stripeUnit: number;
  readonly stripeWidth: number;
  readonly realtimeBlocks: number;
  readonly hasQuotas: boolean;
  /** Features as mkfs.xfs calls them, those of version 4 included. */
  readonly features: readonly string[];
}

/** Reads and checks the superblock of a device. Throws {FileSystemError} `DAMAGED` when it is not sound. */
export async function readXfsSuperblock(device: string): Promise<XfsSuperblock> {
  return withDevice(device, 'read', async (file) => {
    const head = await readAt(file, 0, SUPERBLOCK_BYTES);
    const sectorBytes = head.readUInt16BE(102);
    const isSector = sectorBytes >= 512 && sectorBytes <= 32768;
    return parseXfsSuperblock(isSector ? await readAt(file, 0, sectorBytes) : head);
  });
}

/** Decodes the first sector of a file system. */
export function parseXfsSuperblock(sector: Buffer): XfsSuperblock {
  if (sector.readUInt32BE(0) !== MAGIC) damaged('there is no XFS superblock where it should be');
  const u16 = (offset: number): number => sector.readUInt16BE(offset);
  const u32 = (offset: number): number => sector.readUInt32BE(offset);
  const u64 = (offset: number): number => Number(sector.readBigUInt64BE(offset));
  const versionBits = u16(100);
  const version = versionBits & VERSION_MASK;
  if (version === 5) verifyChecksum(sector);
  else if (version !== 4) damaged(`its superblock is of version ${version}`);
  const blockBytes = u32(4);
  if (blockBytes < 512 || blockBytes > 65536 || (blockBytes & (blockBytes - 1)) !== 0) {
    damaged(`its superblock tells of blocks of ${blockBytes} bytes`);
  }
  return {
    version,
    blockBytes,
    dataBlocks: u64(8),
    agBlocks: u32(84),
    agCount: u32(88),
    sectorBytes: u16(102),
    inodeBytes: u16(104),
    directoryBlockBytes: blockBytes * 2 ** sector.readUInt8(192),
    maxInodePercent: sector.readUInt8(127),
    usedInodes: u64(128) - u64(136),
    freeBlocks: u64(144),
    uuid: formatUuid(sector.subarray(32, 48)),
    label: sector.toString('utf8', 108, 120).replace(/\0.*$/s, ''),
    logOffset: offsetOf(sector.readBigUInt64BE(48), sector.readUInt8(124), u32(84)) * blockBytes,
    logBlocks: u32(96),
    logVersion: (versionBits & VERSION_LOG2) === 0 ? 1 : 2,
    logStripeBytes: u32(196),
    stripeUnit: u32(184),
    stripeWidth: u32(188),
    realtimeBlocks: u64(16),
    hasQuotas: u16(176) !== 0,
    features: [
      ...((versionBits & VERSION_BORG) === 0 ? [] : ['ascii-ci']),
      ...(version === 5 ? featuresOfVersion5(u32(212), u32(216)) : featuresOfVersion4(u32(200))),
    ],
  };
}

/** A block number has the number of the allocation group in its upper bits, for groups of a power of two. */
function offsetOf(block: bigint, agBlocksLog: number, agBlocks: number): number {
  const shift = BigInt(agBlocksLog);
  return Number(block >> shift) * agBlocks + Number(block & ((1n << shift) - 1n));
}

function featuresOfVersion5(readOnlyCompatible: number, incompatible: number): string[] {
  return [
    ...namesOf(readOnlyCompatible, READ_ONLY_COMPATIBLE, 'R'),
    ...namesOf(incompatible, INCOMPATIBLE, 'I'),
  ];
}

function featuresOfVersion4(features2: number): string[] {
  const names: readonly (readonly [bit: number, name: string])[] = [
    [FEATURES2_LAZY_COUNT, 'lazy-count'],
    [FEATURES2_ATTR2, 'attr2'],
    [FEATURES2_PROJID32, 'projid32bit'],
    [FEATURES2_FTYPE, 'ftype'],
  ];
  return names.filter(([bit]) => (features2 & bit) !== 0).map(([, name]) => name);
}

function namesOf(word: number, names: readonly string[], prefix: string): string[] {
  return Array.from({ length: 32 }, (_, bit) => bit)
    .filter((bit) => ((word >>> bit) & 1) === 1)
    .map((bit) => names[bit] ?? `FEATURE_${prefix}${bit}`);
}

/** The checksum counts itself as zeros and is stored inverted, as all of version 5. */
function verifyChecksum(sector: Buffer): void {
  const zeroed = Buffer.from(sector);
  zeroed.fill(0, CHECKSUM_OFFSET, CHECKSUM_OFFSET + 4);
  const expected = ~crc32c(CHECKSUM_SEED, zeroed) >>> 0;
  if (sector.readUInt32LE(CHECKSUM_OFFSET) !== expected) damaged('the checksum of its superblock is wrong');
}

function damaged(reason: string): never {
  throw new FileSystemError('DAMAGED', reason);
}

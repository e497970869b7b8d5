import { type Command, run } from '@diskferry/system/run';
import type { ExtSuperblock } from './ext-superblock.ts';
import { STATE_FEATURES } from './ext-features.ts';

const BITS_PER_BYTE = 8;
const MIB = 1024 * 1024;
/** mke2fs refuses a larger limit where block numbers have 32 bits. */
const MAX_BLOCKS_32BIT = 2 ** 32 - 1;

/** Size of a journal, in file system blocks. */
export interface Journal {
  readonly blocks: number;
  readonly fastCommitBlocks: number;
}

/** The host's mke2fs.conf must not add features or sizes of its own. */
const NO_CONFIGURATION = { MKE2FS_CONFIG: '/dev/null' };

/** Runs mke2fs so that nothing of the host's configuration decides. */
export async function runMke2fs(command: Command, signal: AbortSignal | undefined): Promise<void> {
  await run(command, { env: NO_CONFIGURATION, signal });
}

/** The features of an empty twin. */
export function lastingFeatures({ features }: ExtSuperblock): string[] {
  return features.filter((feature) => !STATE_FEATURES.has(feature));
}

/**
 * The command that makes the twin.
 *
 * @param zeroed whether the device reads as zeros
 */
export function mke2fsCommand(
  superblock: ExtSuperblock,
  journal: Journal,
  device: string,
  zeroed: boolean,
): Command {
  const { blockSize, inodeSize, inodeCount, blockCount, uuid, revision } = superblock;
  const features = ['none', ...lastingFeatures(superblock)].join(',');
  const extended = extendedOptions(superblock, zeroed).join(',');
  const basics = `-F -F -q -o Linux -r ${revision} -O ${features} -b ${blockSize} -I ${inodeSize} -N ${inodeCount}`;
  return [
    'mke2fs',
    ...basics.split(' '),
    '-U',
    uuid,
    ...groupOptions(superblock),
    ...journalOptions(superblock, journal),
    '-E',
    extended,
    device,
    // In blocks: the file system may be smaller than its partition.
    String(blockCount),
  ];
}

function groupOptions(superblock: ExtSuperblock): string[] {
  const { features, blockSize, clusterSize, blocksPerGroup, groupsPerFlex } = superblock;
  const options: string[] = [];
  if (features.includes('bigalloc')) options.push('-C', String(clusterSize));
  else if (blocksPerGroup !== blockSize * BITS_PER_BYTE) options.push('-g', String(blocksPerGroup));
  if (features.includes('flex_bg')) options.push('-G', String(groupsPerFlex));
  return options;
}

function journalOptions({ features, blockSize }: ExtSuperblock, journal: Journal): string[] {
  if (!features.includes('has_journal')) return [];
  const toMib = (blocks: number): number => Math.ceil((blocks * blockSize) / MIB);
  // size= is without the fast commit area: lib/ext2fs/mkjournal.c, ext2fs_get_journal_params.
  const options = [`size=${toMib(journal.blocks - journal.fastCommitBlocks)}`];
  if (journal.fastCommitBlocks > 0) {
    options.push(`fast_commit_size=${Math.ceil((journal.fastCommitBlocks * blockSize) / 1024)}`);
  }
  return ['-J', options.join(',')];
}

/**
 * Where old data is, mke2fs writes zeros into the journal. It leaves inode tables to the system that will use the disk
 * where the features keep count of what is valid in them, and zeroes them otherwise.
 */
const OLD_DATA_OPTIONS = ['assume_storage_prezeroed=0', 'lazy_itable_init=1', 'lazy_journal_init=0'];

function extendedOptions(superblock: ExtSuperblock, zeroed: boolean): string[] {
  const { features, raidStride, raidStripeWidth, mmpInterval, reservedGdtBlocks } = superblock;
  const options = ['nodiscard', ...(zeroed ? ['assume_storage_prezeroed=1'] : OLD_DATA_OPTIONS)];
  if (raidStride > 0) options.push(`stride=${raidStride}`);
  if (raidStripeWidth > 0) options.push(`stripe_width=${raidStripeWidth}`);
  if (features.includes('mmp')) options.push(`mmp_update_interval=${mmpInterval}`);
  if (features.includes('resize_inode') && reservedGdtBlocks > 0) options.push(...resizeOption(superblock));
  if (features.includes('quota')) options.push(`quotatype=${quotaTypes(superblock).join(':')}`);
  return options;
}

/** The limit from which mke2fs computes as many reserved descriptor blocks as the source has. */
function resizeOption(superblock: ExtSuperblock): string[] {
  const { features, blockCount, blocksPerGroup, blockSize, descriptorSize, reservedGdtBlocks } = superblock;
  const groupsPerDescriptorBlock = blockSize / descriptorSize;
  // With bigalloc, mke2fs computes as if a group were as large as without.
  const groupBlocks = features.includes('bigalloc') ? blockSize * BITS_PER_BYTE : blocksPerGroup;
  const groups = Math.ceil(blockCount / groupBlocks);
  const descriptorBlocks = Math.ceil(groups / groupsPerDescriptorBlock);
  const limit = (descriptorBlocks + reservedGdtBlocks) * groupsPerDescriptorBlock * groupBlocks;
  return [`resize=${features.includes('64bit') ? limit : Math.min(limit, MAX_BLOCKS_32BIT)}`];
}

function quotaTypes({ hasUserQuota, hasGroupQuota, hasProjectQuota }: ExtSuperblock): string[] {
  return [
    ...(hasUserQuota ? ['usrquota'] : []),
    ...(hasGroupQuota ? ['grpquota'] : []),
    ...(hasProjectQuota ? ['prjquota'] : []),
  ];
}

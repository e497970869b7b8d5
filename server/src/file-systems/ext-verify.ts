import type { Difference } from '../compare/difference.ts';
import { compareBootArea } from './boot-area.ts';
import { readJournal } from './ext-journal.ts';
import { lastingFeatures } from './ext-mke2fs.ts';
import { differingSettings, type ExtSuperblock, readSuperblock } from './ext-superblock.ts';
import type { ExtTwin } from './ext-twin.ts';
import type { CopyContext } from './file-system.ts';
import { verifyFiles } from './verify-files.ts';
import { asDifference, differingFacts, type VolumeDifference } from './volume-differences.ts';

/**
 * The ext4 driver of the kernel serves ext2 and ext3 too, and only as "ext4" it takes an ext3 whose journal is
 * suspended.
 */
export const KERNEL_DRIVER = 'ext4';

/** Before the superblock: free for a boot loader that is installed in the partition. */
export const EXT_BOOT_AREA_BYTES = 1024;

/** What mke2fs may have made otherwise. */
const COMPARED = [
  'blockCount',
  'blockSize',
  'clusterSize',
  'blocksPerGroup',
  'inodeSize',
  'uuid',
  'groupsPerFlex',
] as const satisfies readonly (keyof ExtSuperblock)[];
/** Sizes that mke2fs rounds, and that come out exactly where the source came out of it. */
const COMPARED_GEOMETRY = [
  'inodeCount',
  'inodesPerGroup',
  'reservedGdtBlocks',
] as const satisfies readonly (keyof ExtSuperblock)[];

/** What a twin has otherwise than was planned. */
export async function twinDifferences(
  { superblock, journal, sameGeometry }: ExtTwin,
  device: string,
): Promise<VolumeDifference[]> {
  const made = await readSuperblock(device);
  const wanted = { features: lastingFeatures(superblock).join(' '), journalBlocks: journal.blocks };
  const found = {
    features: lastingFeatures(made).join(' '),
    journalBlocks: (await readJournal(device)).blocks,
  };
  return [
    ...differingFacts([...COMPARED, ...(sameGeometry ? COMPARED_GEOMETRY : [])], superblock, made),
    ...differingFacts(['features', 'journalBlocks'], wanted, found),
  ];
}

/** Compares a twin with its source: every file, the settings of the file system, and the boot code in it. */
export async function verifyExt(
  twin: ExtTwin,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  const { blockSize } = await readSuperblock(source);
  const mount = { type: KERNEL_DRIVER, options: [] };
  // Blocks of another size make holes of another size.
  const holeUnit = Math.max(blockSize, twin.superblock.blockSize);
  const inFiles = await verifyFiles(source, destination, mount, context, { holeUnit });
  const inVolume = [
    ...(await twinDifferences(twin, destination)),
    ...differingSettings(twin.superblock, await readSuperblock(destination)),
  ];
  return [
    ...inVolume.map(asDifference),
    ...(await compareBootArea(source, destination, EXT_BOOT_AREA_BYTES)),
    ...inFiles,
  ];
}

import { statfs } from 'node:fs/promises';
import { messageOf } from '@diskferry/system/errors';
import { CommandError, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { sizeOfDevice } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { copyTree } from './copy-tree.ts';
import { type Destination, examineDestination, type Suitability, tooSmall } from './destination.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { withMount } from './mount.ts';
import { sectorsFileSystem } from './sectors.ts';
import { withTrialFile } from './trial-file.ts';
import { trimFreeSpace } from './trim.ts';
import { sentenceOf } from './volume-differences.ts';
import { isKnownFeature, mkfsXfsCommand, SUPPORTED_BYTES, type XfsTwin } from './xfs-mkfs.ts';
import { readXfsSuperblock, type XfsSuperblock } from './xfs-superblock.ts';
import { twinDifferences, verifyXfs } from './xfs-verify.ts';
import { hasDirtyLog, readXfsUsage, type XfsUsage } from './xfs-usage.ts';

const MIB = 1024 * 1024;
/** nouuid: source and twin have one UUID, and this server may have a file system of that UUID itself. */
const SOURCE_OPTIONS = ['ro', 'noatime', 'nouuid'];
/** allocsize: XFS gives a growing file more than is written, which would fill holes that follow in a sparse one. */
const DESTINATION_OPTIONS = ['rw', 'noatime', 'nouuid', 'allocsize=4096'];
/** XFS allows blocks from the size of a sector on; this is what every kernel mounts. */
const USUAL_BLOCK_BYTES = 4096;

/** Contents that a copy of files cannot carry, and why. */
const NOT_BY_FILES: Readonly<Record<string, string>> = {
  'needs-repair': 'it is marked as in need of xfs_repair',
  metadir: 'it has a tree of metadata files, which is not known here',
  zoned: 'it is made for a zoned disk',
};

/**
 * Examines an XFS file system. With a session it is also mounted for a moment, which replays its log, so that what
 * cannot be mounted is known before anything is written.
 */
export async function recogniseXfs(
  device: string,
  signature: Signature,
  session: Session | undefined,
): Promise<FileSystem> {
  const { type, uuid, label } = signature;
  const size = await sizeOfDevice(device);
  const superblock = await readXfsSuperblock(device);
  const wasDirty = await hasDirtyLog(device);
  const reason =
    reasonAgainstFiles(superblock) ??
    (session && ((await mountingFails(device, session)) ?? (await twinFails(superblock, session))));
  if (reason !== undefined) {
    return sectorsFileSystem(device, signature, `this ${type} file system is copied as sectors: ${reason}`);
  }
  const usage = await readXfsUsage(device, superblock.agCount, superblock.features.includes('reflink'));
  const usedBytes = usedOf(superblock, usage);
  const suitability = (destination: Destination): Suitability =>
    suitabilityOf(superblock, usedBytes, destination);
  return {
    type,
    uuid,
    label,
    size,
    usedBytes,
    smallestBytes: smallestFor(superblock, usedBytes),
    how: 'files',
    notes: notesOf(superblock, usage, wasDirty),
    suitability,
    create: (destination, context) => createXfs(superblock, size, suitability, destination, context),
    copy: copyXfs,
    verify: async (source, destination, context) => {
      const twin = planTwin(superblock, size, await examineDestination(destination, suitability));
      return verifyXfs(twin, source, destination, context);
    },
  };
}

function reasonAgainstFiles({ features, logOffset, realtimeBlocks }: XfsSuperblock): string | undefined {
  if (logOffset === 0) return 'its log is on another device';
  if (realtimeBlocks > 0) return 'it has a part for real-time files, on another device';
  const bad = features.find((name) => NOT_BY_FILES[name] !== undefined);
  if (bad !== undefined) return NOT_BY_FILES[bad];
  const unknown = features.find((name) => !isKnownFeature(name) && !VERSION_4_FEATURES.has(name));
  return unknown && `it has the feature ${unknown}, which is not known here`;
}

const VERSION_4_FEATURES = new Set(['lazy-count', 'attr2', 'projid32bit']);

function notesOf(superblock: XfsSuperblock, { sharedBlocks }: XfsUsage, wasDirty: boolean): string[] {
  const notes: string[] = [];
  if (wasDirty) notes.push('it was not unmounted: its log is replayed on the server, not on the disk');
  if (sharedBlocks > 0) {
    const more = formatBytes(sharedBlocks * superblock.blockBytes);
    notes.push(`it has files that share blocks (reflinks): each copy gets its own, ${more} more in all`);
  }
  if (superblock.hasQuotas) notes.push('its quotas are counted anew; the limits set in them are not copied');
  return notes;
}

/** Mounts a source for a moment, which replays its log. Returns why the kernel refuses. */
async function mountingFails(device: string, session: Session): Promise<string | undefined> {
  try {
    await withMount(session, device, { type: 'xfs', options: SOURCE_OPTIONS }, (folder) => statfs(folder));
    return undefined;
  } catch (error) {
    return `the kernel of this server does not mount it (${refusalIn(error)})`;
  }
}

/** Lets mkfs.xfs check all options without writing: an older one may lack a feature. The kernel knows them all. */
async function twinFails(superblock: XfsSuperblock, session: Session): Promise<string | undefined> {
  const twin = { superblock, dataBlocks: superblock.dataBlocks, sameGeometry: true };
  try {
    await withTrialFile(session, superblock.dataBlocks * superblock.blockBytes, (path) =>
      run(mkfsXfsCommand(twin, path, ['-N'])),
    );
    return undefined;
  } catch (error) {
    return `this server cannot make such a file system (${refusalIn(error)})`;
  }
}

/** What a failing command said. A missing program or an abort is no property of the file system. */
function refusalIn(error: unknown): string {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
  return messageOf(error).split('\n')[0] ?? '';
}

function usedOf(superblock: XfsSuperblock, { freeBlocks, sharedBlocks }: XfsUsage): number {
  const { dataBlocks, logBlocks, blockBytes } = superblock;
  return Math.max(0, dataBlocks - logBlocks - freeBlocks + sharedBlocks) * blockBytes;
}

/** What mkfs.xfs makes the log of: the 2048th part, and from 64 MiB to 2 GiB. */
function logBytesFor(bytes: number): number {
  return Math.min(Math.max(64 * MIB, bytes / 2048), 2048 * MIB);
}

/** The kernel sets blocks aside so that trees can grow: measured, 0.7 % with reflink and 1.3 % more with rmapbt. */
function reservedShare({ features }: XfsSuperblock): number {
  return 0.01 + (features.includes('rmapbt') ? 0.02 : 0);
}

/** Copied files are packed as well as before, or better; directories may take a little more. */
const GROWTH = 1.03;
const SLACK_BYTES = 24 * MIB;

function smallestFor(superblock: XfsSuperblock, usedBytes: number): number {
  const sourceBytes = superblock.dataBlocks * superblock.blockBytes;
  const contents = usedBytes * GROWTH + SLACK_BYTES + logBytesFor(usedBytes);
  const needed = Math.ceil(contents / (1 - reservedShare(superblock)));
  // A source that is smaller than what is supported today shows that it can be.
  return Math.min(Math.max(needed, SUPPORTED_BYTES), Math.max(sourceBytes, usedBytes));
}

function suitabilityOf(superblock: XfsSuperblock, usedBytes: number, destination: Destination): Suitability {
  const { sectorBytes, blockBytes, usedInodes } = superblock;
  const changes: string[] = [];
  let needed = smallestFor(superblock, usedBytes);
  if (destination.sectorBytes > blockBytes) {
    // Each file and folder wastes half a block more at most, on average.
    needed += usedInodes * USUAL_BLOCK_BYTES;
    changes.push(
      `its blocks become ${USUAL_BLOCK_BYTES} bytes large, they are ${blockBytes}: the sectors of the destination are larger`,
    );
  }
  if (destination.bytes < needed) return tooSmall('XFS', needed, destination);
  if (destination.sectorBytes > sectorBytes) {
    changes.push(`its sectors become ${destination.sectorBytes} bytes large, they are ${sectorBytes}`);
  }
  return { changes };
}

function planTwin(superblock: XfsSuperblock, size: number, { bytes, sectorBytes }: Destination): XfsTwin {
  const fits = sectorBytes <= superblock.sectorBytes;
  if (bytes === size && fits) {
    return { superblock, dataBlocks: superblock.dataBlocks, sameGeometry: true };
  }
  const blockBytes = sectorBytes > superblock.blockBytes ? USUAL_BLOCK_BYTES : superblock.blockBytes;
  const changed = {
    ...superblock,
    blockBytes,
    sectorBytes: Math.max(sectorBytes, superblock.sectorBytes),
    directoryBlockBytes: Math.max(blockBytes, superblock.directoryBlockBytes),
    // Stripes of an array that the twin does not stand on, where they do not go into its blocks.
    ...(blockBytes === superblock.blockBytes ? {} : { stripeUnit: 0, stripeWidth: 0 }),
  };
  return { superblock: changed, dataBlocks: Math.floor(bytes / blockBytes), sameGeometry: false };
}

async function createXfs(
  superblock: XfsSuperblock,
  size: number,
  suitability: FileSystem['suitability'],
  device: string,
  { signal, warn, zeroed }: CopyContext,
): Promise<void> {
  const twin = planTwin(superblock, size, await examineDestination(device, suitability));
  await run(mkfsXfsCommand(twin, device), { signal });
  const made = await readXfsSuperblock(device);
  // mkfs.xfs fills the log with zeros, and the kernel writes whatever else it relies on: old data does no harm. But what
  // is discarded must not come back as old data.
  if (zeroed) await emptyLog(made, device, signal);
  for (const difference of twinDifferences(twin, made)) warn(sentenceOf(difference));
}

/** What mkfs.xfs writes into the log stands at its beginning; the rest is zeros, which can be holes as well. */
const LOG_HEAD_BYTES = MIB;

/** Makes the zeros that mkfs.xfs fills the log with a hole again. A device without discard keeps them. */
async function emptyLog(
  { logOffset, logBlocks, blockBytes }: XfsSuperblock,
  device: string,
  signal?: AbortSignal,
): Promise<void> {
  const bytes = logBlocks * blockBytes - LOG_HEAD_BYTES;
  if (bytes <= 0) return;
  const range = ['--offset', String(logOffset + LOG_HEAD_BYTES), '--length', String(bytes)];
  await run(['blkdiscard', ...range, device], { okExitCodes: [0, 1], signal });
}

async function copyXfs(source: string, destination: string, context: CopyContext): Promise<void> {
  const { session, signal } = context;
  const from = { type: 'xfs', options: SOURCE_OPTIONS, signal };
  const to = { type: 'xfs', options: DESTINATION_OPTIONS, signal };
  await withMount(session, source, from, (sourceFolder) =>
    withMount(session, destination, to, async (destinationFolder) => {
      await copyTree({ source: sourceFolder, destination: destinationFolder, sourceDevice: source }, context);
      await trimFreeSpace(destinationFolder, context);
    }),
  );
}

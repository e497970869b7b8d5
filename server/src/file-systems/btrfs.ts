import { existsSync } from 'node:fs';
import { messageOf } from '@diskferry/system/errors';
import { CommandError, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { sizeOfDevice } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { carryBootArea } from './boot-area.ts';
import { changeUuid, forgetDevices, moveBySeed } from './btrfs-move.ts';
import { bytesInChunks, type ChunkUse, readChunkUse, smallestForChunks } from './btrfs-space.ts';
import { type BtrfsSuperblock, readBtrfsSuperblock } from './btrfs-superblock.ts';
import { BTRFS_BOOT_AREA_BYTES, twinDifferences, verifyBtrfs } from './btrfs-verify.ts';
import { type Destination, examineDestination, SUITABLE, type Suitability, tooSmall } from './destination.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { withMount } from './mount.ts';
import { sectorsFileSystem } from './sectors.ts';
import { sentenceOf } from './volume-differences.ts';

const SOURCE_OPTIONS = ['ro', 'noatime'];

/** Features that the way over a seed device does not take, and why. */
const NOT_BY_FILES: Readonly<Record<string, string>> = {
  'metadata-uuid': 'its UUID was changed by btrfstune -m, which a copy cannot repeat',
  zoned: 'it is made for a zoned disk',
  raid56: 'it is made for several disks',
};

/**
 * Examines a Btrfs file system. With a session it is also mounted for a moment, which replays its log, so that what
 * cannot be mounted or moved is known before anything is written.
 */
export async function recogniseBtrfs(
  device: string,
  signature: Signature,
  session: Session | undefined,
): Promise<FileSystem> {
  const { type, uuid, label } = signature;
  const size = await sizeOfDevice(device);
  const superblock = await readBtrfsSuperblock(device);
  const asSectors = (reason: string): Promise<FileSystem> =>
    sectorsFileSystem(device, signature, `this ${type} file system is copied as sectors: ${reason}`);
  const early = reasonAgainstMoving(superblock);
  if (early !== undefined) return asSectors(early);
  let uses = guessUse(superblock);
  if (session !== undefined) {
    const tried = await tryMoving(device, session);
    if ('refusal' in tried) return asSectors(tried.refusal);
    ({ uses } = tried);
  }
  const smallestBytes = smallestForChunks(uses);
  if (smallestBytes > size) {
    return asSectors(
      `it is too full to be moved chunk by chunk, which takes ${formatBytes(smallestBytes)} for its contents`,
    );
  }
  const suitability = (destination: Destination): Suitability =>
    suitabilityOf(superblock, smallestBytes, destination);
  return {
    type,
    uuid,
    label,
    size,
    usedBytes: bytesInChunks(uses),
    smallestBytes,
    how: 'files',
    notes: superblock.hasLog
      ? ['it was not unmounted: its log is replayed on the server, not on the disk']
      : [],
    suitability,
    // The twin is made while it is filled. Old data does no harm: what Btrfs relies on has checksums and generations, and
    // the program that adds the device clears the places of its superblocks.
    create: async (destination) => void (await examineDestination(destination, suitability)),
    copy: (source, destination, context) => copyBtrfs(superblock, source, destination, context),
    verify: (source, destination, context) => verifyBtrfs(superblock, source, destination, context),
  };
}

function reasonAgainstMoving(superblock: BtrfsSuperblock): string | undefined {
  const { deviceCount, isSeed, isChangingUuid, features, uuid } = superblock;
  if (deviceCount !== 1) return `it extends over ${deviceCount} devices`;
  if (isSeed) return 'it is a seed for other file systems';
  if (isChangingUuid) return 'a change of its UUID was interrupted; finish it with btrfstune';
  const bad = features.find((name) => NOT_BY_FILES[name] !== undefined);
  if (bad !== undefined) return NOT_BY_FILES[bad];
  const unknown = features.find((name) => name.startsWith('FEATURE_'));
  if (unknown !== undefined) return `it has the feature ${unknown}, which is not known here`;
  // The kernel would take the two for one file system.
  if (existsSync(`/sys/fs/btrfs/${uuid}`)) return 'a file system with its UUID is mounted on this server';
  return undefined;
}

/** Without mounting, it is not known which part is metadata: all of it may be. */
function guessUse({ usedBytes }: BtrfsSuperblock): ChunkUse[] {
  return [
    { kind: 'Data', profile: 'single', totalBytes: usedBytes, usedBytes },
    { kind: 'Metadata', profile: 'DUP', totalBytes: 0, usedBytes: usedBytes * 0.05 },
    { kind: 'System', profile: 'DUP', totalBytes: 0, usedBytes: 0 },
  ];
}

type Tried = { readonly uses: ChunkUse[] } | { readonly refusal: string };

/** Mounts a source for a moment, and lets btrfstune try whether it understands all of its features. */
async function tryMoving(device: string, session: Session): Promise<Tried> {
  try {
    const uses = await withMount(session, device, { type: 'btrfs', options: SOURCE_OPTIONS }, readChunkUse);
    const other = uses.find(({ profile }) => !['single', 'DUP'].includes(profile));
    if (other !== undefined) return { refusal: `its ${other.kind} chunks are ${other.profile}` };
    await run(['btrfstune', '-S', '1', device]);
    await run(['btrfstune', '-f', '-S', '0', device]);
    return { uses };
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
    return { refusal: `this server cannot mount or move it (${messageOf(error).split('\n')[0]})` };
  } finally {
    await forgetDevices([device]);
  }
}

function suitabilityOf(
  { sectorBytes }: BtrfsSuperblock,
  smallestBytes: number,
  destination: Destination,
): Suitability {
  if (destination.sectorBytes > sectorBytes) {
    const obstacle =
      `the Btrfs file system has sectors of ${sectorBytes} bytes, ` +
      `it cannot be moved to sectors of ${destination.sectorBytes} bytes`;
    return { obstacle, changes: [] };
  }
  if (destination.bytes < smallestBytes) return tooSmall('Btrfs', smallestBytes, destination);
  return SUITABLE;
}

async function copyBtrfs(
  superblock: BtrfsSuperblock,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<void> {
  const { session, signal, warn } = context;
  // A seed is never written to, so its log must have been replayed before.
  if ((await readBtrfsSuperblock(source)).hasLog) {
    await withMount(session, source, { type: 'btrfs', options: SOURCE_OPTIONS, signal }, async () => {});
  }
  await moveBySeed(source, destination, context);
  await changeUuid(destination, superblock.uuid, signal);
  await carryBootArea(source, destination, BTRFS_BOOT_AREA_BYTES);
  const made = await readBtrfsSuperblock(destination);
  for (const difference of twinDifferences(superblock, made)) warn(sentenceOf(difference));
}

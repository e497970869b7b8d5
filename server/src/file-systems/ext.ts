import { statfs } from 'node:fs/promises';
import { messageOf } from '@diskferry/system/errors';
import { CommandError } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { formatBytes } from '@diskferry/system/units';
import { sectorSizeOfDevice, sizeOfDevice } from './block-device.ts';
import type { Signature } from './blkid.ts';
import { carryBootArea } from './boot-area.ts';
import { copyTree } from './copy-tree.ts';
import { type Destination, examineDestination, type Suitability, tooSmall } from './destination.ts';
import { emptyJournal, readJournal } from './ext-journal.ts';
import { mke2fsCommand, runMke2fs } from './ext-mke2fs.ts';
import {
  carrySettings,
  type ExtSuperblock,
  readSuperblock,
  resumeJournal,
  suspendJournal,
} from './ext-superblock.ts';
import { type ExtSource, type ExtTwin, type ExtUse, planExtTwin, smallestExt } from './ext-twin.ts';
import { EXT_BOOT_AREA_BYTES, KERNEL_DRIVER, twinDifferences, verifyExt } from './ext-verify.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { withMount } from './mount.ts';
import { sectorsFileSystem } from './sectors.ts';
import { withTrialFile } from './trial-file.ts';
import { trimFreeSpace } from './trim.ts';
import { sentenceOf } from './volume-differences.ts';

const SOURCE_OPTIONS = ['ro', 'noatime'];
/**
 * noinit_itable: the inode tables of a fresh sparse disk are zeros already. On a disk with old data, the system that
 * will use it zeroes them when it has time.
 */
const DESTINATION_OPTIONS = ['rw', 'noatime', 'noinit_itable', 'acl', 'user_xattr', 'errors=remount-ro'];

/** Contents that a copy of files cannot carry, and why. */
const NOT_BY_FILES: Readonly<Record<string, string>> = {
  encrypt: 'it has encrypted folders, whose files cannot be read without their keys',
  verity: 'it has files under fs-verity, whose protection a copy would lose',
  casefold: 'it has folders that ignore upper and lower case, whose flag a copy would lose',
  journal_dev: 'it is the journal of another file system',
  shared_blocks: 'its files share blocks and cannot be written',
  'read-only': 'it is marked as read-only for ever',
};

/** Every kernel and every mke2fs of the last ten years can make these: no trial is needed. */
const ORDINARY_FEATURES = new Set(
  (
    'has_journal ext_attr resize_inode dir_index sparse_super large_file filetype extent 64bit flex_bg huge_file ' +
    'uninit_bg dir_nlink extra_isize metadata_csum meta_bg needs_recovery'
  ).split(' '),
);

/**
 * Examines an ext2, ext3 or ext4 file system. With a session it is also mounted for a moment, which replays its
 * journal, so that what cannot be mounted is known before anything is written.
 */
export async function recogniseExt(
  device: string,
  signature: Signature,
  session: Session | undefined,
): Promise<FileSystem> {
  const { type, uuid, label } = signature;
  const size = await sizeOfDevice(device);
  const superblock = await readSuperblock(device);
  const mounted = session && (await tryMounting(device, session));
  const reason =
    reasonAgainstFiles(superblock) ?? mounted?.refusal ?? (session && (await twinFails(superblock, session)));
  if (reason !== undefined) {
    return sectorsFileSystem(device, signature, `this ${type} file system is copied as sectors: ${reason}`);
  }
  const use = mounted?.use ?? useOf(superblock);
  const source = { superblock, journal: await readJournal(device), use, size };
  const suitability = (destination: Destination): Suitability => suitabilityOf(type, source, destination);
  return {
    type,
    uuid,
    label,
    size,
    usedBytes: use.usedBytes,
    smallestBytes: smallestExt(source, await sectorSizeOfDevice(device)),
    how: 'files',
    notes: notesOf(superblock),
    suitability,
    create: async (destination, context) => {
      const twin = planExtTwin(source, await examineDestination(destination, suitability));
      await createExt(twin, destination, context);
    },
    copy: async (from, destination, context) => {
      const twin = planExtTwin(source, await examineDestination(destination, suitability));
      await copyExt(twin.superblock, from, destination, context);
    },
    verify: async (from, destination, context) => {
      const twin = planExtTwin(source, await examineDestination(destination, suitability));
      return verifyExt(twin, from, destination, context);
    },
  };
}

function suitabilityOf(type: string, source: ExtSource, destination: Destination): Suitability {
  const needed = smallestExt(source, destination.sectorBytes);
  if (destination.bytes < needed) return tooSmall(type, needed, destination);
  const { superblock } = planExtTwin(source, destination);
  const changes: string[] = [];
  if (superblock.blockSize !== source.superblock.blockSize) {
    changes.push(
      `its blocks become ${superblock.blockSize} bytes large, they are ${source.superblock.blockSize}: the sectors of the destination are larger`,
    );
  }
  const bytes = superblock.blockCount * superblock.blockSize;
  if (destination.bytes > source.size && destination.bytes - bytes >= superblock.clusterSize) {
    changes.push(
      `without the feature 64bit it cannot be larger than ${formatBytes(bytes)}; the rest stays free`,
    );
  }
  return { changes };
}

function reasonAgainstFiles({ features, journalInode }: ExtSuperblock): string | undefined {
  const feature = features.find((name) => NOT_BY_FILES[name] !== undefined);
  if (feature !== undefined) return NOT_BY_FILES[feature];
  if (features.includes('has_journal') && journalInode === 0) return 'its journal is on another device';
  const unknown = features.find((name) => name.startsWith('FEATURE_'));
  return unknown && `it has the feature ${unknown}, which is not known here`;
}

function notesOf({ features, hasErrors }: ExtSuperblock): string[] {
  const notes: string[] = [];
  if (features.includes('needs_recovery')) {
    notes.push('it was not unmounted: its journal is replayed on the server, not on the disk');
  }
  if (hasErrors) notes.push('it has recorded errors: check it with e2fsck');
  if (features.includes('quota'))
    notes.push('its quotas are counted anew; the limits set in them are not copied');
  return notes;
}

interface Mounted {
  readonly use?: ExtUse;
  /** Why the kernel does not mount it. */
  readonly refusal?: string;
}

/** Mounts a source for a moment, which replays its journal, and counts what is in use then. */
async function tryMounting(device: string, session: Session): Promise<Mounted> {
  try {
    return await withMount(
      session,
      device,
      { type: KERNEL_DRIVER, options: SOURCE_OPTIONS },
      async (folder) => {
        const { blocks, bfree, bsize, files, ffree } = await statfs(folder);
        return { use: { usedBytes: (blocks - bfree) * bsize, usedInodes: files - ffree } };
      },
    );
  } catch (error) {
    return { refusal: `the kernel of this server does not mount it (${refusalIn(error)})` };
  }
}

/** What a failing command said. A missing program or an abort is no property of the file system. */
function refusalIn(error: unknown): string {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
  return messageOf(error).split('\n')[0] ?? '';
}

/** What the superblock says: not exact while the file system is mounted or has a journal to replay. */
function useOf({ blockCount, freeBlocks, blockSize, inodeCount, freeInodes }: ExtSuperblock): ExtUse {
  return { usedBytes: (blockCount - freeBlocks) * blockSize, usedInodes: inodeCount - freeInodes };
}

const TRIAL_BYTES = 64 * 1024 * 1024;
const TRIAL_INODES = 1024;

/** Makes and mounts a small twin when it has features that this server's mke2fs or kernel may lack. */
async function twinFails(superblock: ExtSuperblock, session: Session): Promise<string | undefined> {
  if (superblock.features.every((feature) => ORDINARY_FEATURES.has(feature))) return undefined;
  const blockCount = TRIAL_BYTES / superblock.blockSize;
  const small = {
    ...superblock,
    blockCount,
    inodeCount: TRIAL_INODES,
    reservedGdtBlocks: 1,
    groupsPerFlex: 16,
  };
  const journal = { blocks: blockCount / 8, fastCommitBlocks: 0 };
  try {
    await withTrialFile(session, 0, async (path) => {
      await runMke2fs(mke2fsCommand(small, journal, path, true), undefined);
      await withMount(session, path, { type: KERNEL_DRIVER, options: ['loop'] }, async () => {});
    });
    return undefined;
  } catch (error) {
    return `this server cannot make such a file system (${refusalIn(error)})`;
  }
}

async function createExt(
  twin: ExtTwin,
  device: string,
  { signal, warn, zeroed }: CopyContext,
): Promise<void> {
  const { superblock, journal } = twin;
  await runMke2fs(mke2fsCommand(superblock, journal, device, zeroed), signal);
  const { features, blockSize } = superblock;
  // A hole is only good for a journal where it reads as zeros.
  if (zeroed && features.includes('has_journal') && !features.includes('extent')) {
    await emptyJournal(device, blockSize, signal);
  }
  await carrySettings(superblock, device);
  for (const difference of await twinDifferences(twin, device)) warn(sentenceOf(difference));
}

async function copyExt(
  superblock: ExtSuperblock,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<void> {
  const { session, signal } = context;
  const twin = await readSuperblock(destination);
  await suspendJournal(destination);
  const from = { type: KERNEL_DRIVER, options: SOURCE_OPTIONS, signal };
  const to = { type: KERNEL_DRIVER, options: DESTINATION_OPTIONS, signal };
  await withMount(session, source, from, (sourceFolder) =>
    withMount(session, destination, to, async (destinationFolder) => {
      await copyTree({ source: sourceFolder, destination: destinationFolder, sourceDevice: source }, context);
      // Where zeros were, nothing was freed that is worth walking through every group of blocks.
      if (!context.zeroed) await trimFreeSpace(destinationFolder, context);
    }),
  );
  await resumeJournal(twin, destination);
  await carrySettings(superblock, destination);
  await carryBootArea(source, destination, EXT_BOOT_AREA_BYTES);
}

import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import { probeSignature, type Signature } from './blkid.ts';
import { recogniseBitLocker } from './bitlocker.ts';
import { recogniseBtrfs } from './btrfs.ts';
import { recogniseExfat } from './exfat.ts';
import { recogniseExt } from './ext.ts';
import { recogniseFat } from './fat.ts';
import type { FileSystem } from './file-system.ts';
import { recogniseNtfs } from './ntfs.ts';
import { sectorsFileSystem } from './sectors.ts';
import { createWithoutOldData } from './stale-contents.ts';
import { recogniseSwap } from './swap.ts';
import { recogniseXfs } from './xfs.ts';
import type { ContainerDriver } from '../volumes/container.ts';
import { recogniseLuks } from '../volumes/luks.ts';
import { recogniseLvm } from '../volumes/lvm.ts';
import { recogniseMd } from '../volumes/md-mirror.ts';

type Driver = (device: string, signature: Signature, session: Session | undefined) => Promise<FileSystem>;

/** One driver for each type of file system that blkid names. */
const DRIVERS: Readonly<Record<string, Driver>> = {
  ext2: recogniseExt,
  ext3: recogniseExt,
  ext4: recogniseExt,
  xfs: recogniseXfs,
  btrfs: recogniseBtrfs,
  vfat: recogniseFat,
  exfat: recogniseExfat,
  ntfs: recogniseNtfs,
  BitLocker: recogniseBitLocker,
  swap: recogniseSwap,
  swsuspend: recogniseSwap,
};

/** Volumes with other file systems inside. To look there takes a session. */
const CONTAINERS: Readonly<Record<string, ContainerDriver>> = {
  LVM2_member: recogniseLvm,
  crypto_LUKS: recogniseLuks,
  linux_raid_member: recogniseMd,
};

export interface RecogniseOptions {
  /**
   * With a session, a file system is also mounted for a moment, so that one that this server cannot mount is
   * known now and not in the middle of the copy. The device is then written to (journal replay).
   */
  readonly session?: Session | undefined;
  /** Opens LUKS volumes. */
  readonly passphrase?: string | undefined;
}

/** Finds out what is on a device and how it is best copied. What nobody understands is copied as sectors. */
export async function recogniseFileSystem(
  device: string,
  options: RecogniseOptions = {},
): Promise<FileSystem> {
  const fileSystem = await recognise(device, options);
  return { ...fileSystem, create: (...to) => createWithoutOldData(fileSystem, ...to) };
}

async function recognise(device: string, options: RecogniseOptions): Promise<FileSystem> {
  const signature = await probeSignature(device);
  const recogniseIt = driverFor(signature, options);
  if (recogniseIt === undefined) return sectorsFileSystem(device, signature, reasonOf(signature));
  try {
    return await recogniseIt(device);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return sectorsFileSystem(
      device,
      signature,
      `this ${signature.type} partition is copied as sectors: ${messageOf(error)}`,
    );
  }
}

function driverFor(
  signature: Signature,
  options: RecogniseOptions,
): ((device: string) => Promise<FileSystem>) | undefined {
  if (signature.ambiguous) return undefined;
  const { session, passphrase } = options;
  const driver = DRIVERS[signature.type];
  if (driver !== undefined) return (device) => driver(device, signature, session);
  const container = CONTAINERS[signature.type];
  if (container === undefined || session === undefined) return undefined;
  const inside = {
    session,
    passphrase,
    recognise: (device: string) => recogniseFileSystem(device, options),
  };
  return (device) => container(device, signature, inside);
}

/** A missing program, an abort or an unreadable disk says nothing about the file system. */
function isDamage(error: unknown): boolean {
  return error instanceof DiskferryError && ['DAMAGED', 'COMMAND_FAILED'].includes(error.code);
}

function reasonOf({ type, ambiguous }: Signature): string {
  if (ambiguous) return 'this partition has signatures of several file systems: it is copied as sectors';
  if (type === 'unknown') return 'no known file system was found on this partition: it is copied as sectors';
  return `there is no driver for ${type} here: this partition is copied as sectors`;
}

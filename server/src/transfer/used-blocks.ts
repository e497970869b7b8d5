import type { Partition } from '@diskferry/server-adapter/partitions/partition-table';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { messageOf } from '@diskferry/system/errors';
import { CommandError, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import { forgetDevices } from '../file-systems/btrfs-move.ts';
import type { FileSystem } from '../file-systems/file-system.ts';
import { withMount } from '../file-systems/mount.ts';

/** File systems whose driver in the kernel tells the device which blocks are free, and how they are mounted for that. */
const TRIMMING: Readonly<Record<string, { readonly driver: string; readonly options: readonly string[] }>> = {
  // Zeros that the driver would write into inode tables reach the layer as discards too.
  ext2: { driver: 'ext4', options: ['noinit_itable'] },
  ext3: { driver: 'ext4', options: ['noinit_itable'] },
  ext4: { driver: 'ext4', options: ['noinit_itable'] },
  xfs: { driver: 'xfs', options: ['nouuid'] },
  btrfs: { driver: 'btrfs', options: [] },
  f2fs: { driver: 'f2fs', options: [] },
};

/** What a file system uses. */
export interface UsedBlocks {
  /** Used ranges of the source disk in disk order, in bytes. */
  readonly used: readonly ByteRange[];
  /** All of `used` together. */
  readonly usedBytes: number;
}

/**
 * Finds the used blocks of a file system without decoding it: its own driver is asked to trim what is free, and the
 * copy-on-write layer of the source remembers what it was told to forget.
 *
 * @returns the reason, a sentence, where no driver can tell
 */
export async function findUsedBlocks(
  source: SimulatedDisk,
  volume: { readonly partition: Partition; readonly device: string; readonly fileSystem: FileSystem },
  session: Session,
): Promise<UsedBlocks | { readonly reason: string }> {
  const { partition, device, fileSystem } = volume;
  const trimming = TRIMMING[fileSystem.type];
  const how = fileSystem.how === 'sectors' ? 'all of it is copied' : 'it is copied as files';
  if (trimming === undefined) {
    return { reason: `no driver here tells which blocks of ${fileSystem.type} are free: ${how}` };
  }
  const { driver, options } = trimming;
  try {
    await withMount(session, device, { type: driver, options: ['noatime', ...options] }, (folder) =>
      run(['fstrim', folder]),
    );
    if (fileSystem.type === 'btrfs') await forgetDevices([device]);
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') throw error;
    return { reason: `its free blocks cannot be found (${messageOf(error).split('\n')[0]}): ${how}` };
  }
  const used = without(partition, await source.discardedRanges(partition));
  return { used, usedBytes: used.reduce((sum, { size }) => sum + size, 0) };
}

/** What is left of a range without others, which lie inside it in disk order. */
export function without(whole: ByteRange, holes: readonly ByteRange[]): ByteRange[] {
  const left: ByteRange[] = [];
  let position = whole.start;
  const end = whole.start + whole.size;
  for (const { start, size } of [...holes, { start: end, size: 0 }]) {
    if (start > position) left.push({ start: position, size: start - position });
    position = start + size;
  }
  return left;
}

import { run } from '@diskferry/system/run';
import { sectorSizeOfDevice, sizeOfDevice } from './block-device.ts';
import { examineDestination } from './destination.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { zeroRange } from './zero-range.ts';

const MIB = 1024 * 1024;
/**
 * Where identifying structures stand: labels of ZFS, LVM and md at the beginning, superblocks of md 0.90 and 1.0, of
 * RAID firmware and the other labels of ZFS at the end; the second header of LUKS at up to 4 MiB.
 */
const HEAD_BYTES = 5 * MIB;
const TAIL_BYTES = MIB;

/**
 * Makes a twin on a device that may have old data. Nothing shall take what was there for what will be: old file
 * systems, RAID members and volume managers are found by structures at its ends, which a new file system does not
 * always overwrite.
 *
 * @throws {FileSystemError} `UNSUITABLE`, before anything is written
 */
export async function createWithoutOldData(
  fileSystem: FileSystem,
  device: string,
  context: CopyContext,
): Promise<void> {
  if (!context.zeroed) {
    await examineDestination(device, (destination) => fileSystem.suitability(destination));
    await clearStaleContents(device, context);
  }
  await fileSystem.create(device, context);
}

async function clearStaleContents(device: string, { signal }: CopyContext): Promise<void> {
  // Structures in the middle too, such as the copies of a Btrfs superblock.
  await run(['wipefs', '--all', '--force', '--quiet', device], { signal });
  const size = await sizeOfDevice(device);
  const sectorBytes = await sectorSizeOfDevice(device);
  const whole = size - (size % sectorBytes);
  if (whole <= HEAD_BYTES + TAIL_BYTES) return zeroRange(device, 0, whole, { signal });
  await zeroRange(device, 0, HEAD_BYTES, { signal });
  await zeroRange(device, whole - TAIL_BYTES, TAIL_BYTES, { signal });
}

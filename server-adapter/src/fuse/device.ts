import { constants, openSync } from 'node:fs';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';

const FUSE_DEVICE = '/dev/fuse';

/**
 * Opens the kernel's FUSE device, not yet connected to a mount; its reads do not wait.
 *
 * @throws {DiskferryError} `FUSE_MISSING` when the kernel offers none
 */
export function openFuseDevice(): number {
  try {
    return openSync(FUSE_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new DiskferryError(
      'FUSE_MISSING',
      `cannot open ${FUSE_DEVICE}: load the kernel module with "modprobe fuse", and run as root`,
      { cause },
    );
  }
}

/**
 * Mounts the FUSE connection of `fd` on an existing regular file. The caller must already answer requests: the kernel
 * sends INIT at once, and `mount` may ask for attributes.
 *
 * @throws {CommandError} when mount(8) fails
 */
export async function mountFuseFile(fd: number, mountPoint: string): Promise<void> {
  // rootmode 100600: the root of this file system is a regular file, so the kernel never sends a LOOKUP.
  const options = 'fd=3,rootmode=100600,user_id=0,group_id=0,allow_other,nosuid,nodev,noexec';
  await run(['mount', '-i', '-t', 'fuse', '-o', options, 'diskferry', mountPoint], { inheritedFiles: [fd] });
}

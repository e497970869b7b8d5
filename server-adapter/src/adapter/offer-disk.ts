import type { Disk } from '@diskferry/protocol/disk';
import { run } from '@diskferry/system/run';
import type { LendingDisk } from '../disk/lending-disk.ts';
import { mountFuseFile, openFuseDevice } from '../fuse/device.ts';
import { serveFuse } from '../fuse/server.ts';
import { openDoor } from './disk-door.ts';
import type { AdapterChannel } from './messages.ts';

/** A disk on its way to the kernel. */
export interface OfferedDisk {
  /** Resolves when the kernel gave the disk back. */
  readonly ended: Promise<void>;
}

/** Offers a disk on a channel; returns when the kernel can use it. The disk stays open at the end. */
export async function offerDisk(
  disk: LendingDisk,
  channel: AdapterChannel,
  signal: AbortSignal,
): Promise<OfferedDisk> {
  switch (channel.kind) {
    case 'fuse':
      return offerAsFile(disk, channel.mountPoint, signal);
    case 'socket':
      return offerOnSocket(disk, channel.socketPath);
  }
}

async function offerAsFile(disk: LendingDisk, mountPoint: string, signal: AbortSignal): Promise<OfferedDisk> {
  const device = openFuseDevice();
  // Before the mount: the kernel asks at once, and mount(8) waits for the answers.
  const ended = serveFuse(device, disk);
  await mountFuseFile(device, mountPoint);
  if (signal.aborted) {
    // Whoever wanted the mount away has looked for it already, perhaps too early.
    await run(['umount', mountPoint]);
    signal.throwIfAborted();
  }
  return { ended };
}

/** One NBD connection, that of the kernel. */
async function offerOnSocket(disk: Disk, socketPath: string): Promise<OfferedDisk> {
  const door = await openDoor(disk, socketPath);
  return { ended: door.firstEnded.then(() => door.close()) };
}

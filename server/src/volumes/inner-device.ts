import { realpath } from 'node:fs/promises';
import { HeldResources } from '@diskferry/server-adapter/held-resources';
import { createLoopDevice } from '@diskferry/server-adapter/loopback/loop-device';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { attachDisk } from '@diskferry/server-adapter/switch';
import type { Session } from '@diskferry/system/session';
import { sectorSizeOfDevice } from '../file-systems/block-device.ts';
import { hasTarget, linearTable, withMapping } from './device-mapper.ts';

/** The kernel keeps all lines of a table in its memory. */
const MAX_MAPPED_PARTS = 10_000;

export interface InnerDeviceOptions {
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a block device out of parts of another one for the time of one piece of work, which gets its path: a loop device
 * where it is one part; where there are several, one of device-mapper if the kernel has it, else a simulated disk. Only one
 * at a time may be made of a device.
 */
export async function withInnerDevice<T>(
  device: string,
  ranges: readonly ByteRange[],
  { session, signal }: InnerDeviceOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const [part, ...others] = ranges;
  if (part === undefined) throw new TypeError(`no part of ${device} is wanted`);
  if (others.length > 0 && ranges.length <= MAX_MAPPED_PARTS && (await hasTarget('linear'))) {
    return withMapping(linearTable(device, ranges), { session, signal }, work);
  }
  if (others.length > 0) {
    const disk = await attachDisk(
      { kind: 'device', path: device, segments: ranges },
      { session, mode: 'write', signal },
    );
    try {
      return await Promise.race([work(disk.device), disk.failure]);
    } finally {
      await disk.detach();
    }
  }
  const held = new HeldResources(session);
  try {
    // The kernel names the backing device by its real path, by which the session finds the loop device again.
    const backing = await realpath(device);
    return await work(
      await createLoopDevice(held, backing, { sectorSize: await sectorSizeOfDevice(device), part }),
    );
  } finally {
    await held.releaseAll();
  }
}

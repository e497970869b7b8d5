import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoopbackDriver } from './loopback-driver.ts';
import { createLoopDevice } from './loop-device.ts';

/** A FUSE file, served by the adapter process, under a loop device. Needs no kernel module besides those two. */
export const fuseDriver: LoopbackDriver = {
  async prepare(held, folder) {
    const mountPoint = join(folder, 'disk');
    await writeFile(mountPoint, '');
    held.hold({ kind: 'mount', path: mountPoint });
    return { kind: 'fuse', mountPoint };
  },

  async attach(held, channel, { sectorSize }) {
    if (channel.kind !== 'fuse') throw new TypeError(`the fuse driver cannot use a ${channel.kind}`);
    return createLoopDevice(held, channel.mountPoint, { sectorSize: sectorSize.logical });
  },
};

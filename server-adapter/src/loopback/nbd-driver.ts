import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import type { Resource } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';
import { setReadAhead } from './loop-device.ts';
import type { LoopbackDriver } from './loopback-driver.ts';

/** The kernel's own NBD client. Needs its module. */
export const nbdDriver: LoopbackDriver = {
  async prepare(_held, folder) {
    await loadModule();
    return { kind: 'socket', socketPath: join(folder, 'kernel.sock') };
  },

  async attach(held, channel, { sectorSize }) {
    if (channel.kind !== 'socket') throw new TypeError(`the nbd driver cannot use a ${channel.kind}`);
    const device = await connect(held, channel.socketPath, sectorSize.logical);
    await setReadAhead(device);
    return device;
  },
};

async function loadModule(): Promise<void> {
  if (freeDevices().length > 0) return;
  try {
    await run(['modprobe', 'nbd']);
  } catch (cause) {
    throw new DiskferryError(
      'NBD_MODULE_MISSING',
      `the kernel has no network block devices (${messageOf(cause)}); use the loop-back driver "fuse"`,
      { cause },
    );
  }
}

/** Devices that nobody is connected to. Another program may take one at any moment. */
function freeDevices(): string[] {
  return readdirSync('/sys/block')
    .filter((name) => /^nbd\d+$/.test(name) && !existsSync(`/sys/block/${name}/pid`))
    .sort((one, other) => Number(one.slice(3)) - Number(other.slice(3)))
    .map((name) => `/dev/${name}`);
}

async function connect(held: HeldResources, socketPath: string, blockSize: number): Promise<string> {
  let lastRefusal: unknown = 'all are in use';
  for (const device of freeDevices()) {
    const resource: Resource = { kind: 'nbd', device };
    held.hold(resource);
    try {
      await run(['nbd-client', '-unix', socketPath, device, '-block-size', String(blockSize)]);
      return device;
    } catch (error) {
      held.drop(resource);
      lastRefusal = error;
      // Only a device that was taken in the meantime is worth another try.
      if (!existsSync(`/sys/block/${basename(device)}/pid`)) break;
    }
  }
  throw new DiskferryError(
    'NBD_DEVICE_FAILED',
    `no network block device could be connected: ${messageOf(lastRefusal)}`,
    { cause: lastRefusal },
  );
}

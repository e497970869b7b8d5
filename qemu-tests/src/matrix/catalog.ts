import type { HardwareModel } from './hardware-model.ts';
import { reasonToLeaveOut } from './left-out.ts';
import { networkModel } from './network-models.ts';
import type { QemuDevice } from './qemu-devices.ts';
import { storageModel } from './storage-models.ts';

export interface LeftOutDevice {
  readonly name: string;
  readonly reason: string;
}

/** Everything of QEMU that has to do with networks and disks. */
export interface Catalog {
  readonly models: readonly HardwareModel[];
  readonly leftOut: readonly LeftOutDevice[];
  /** What this QEMU has and the matrix does not know: somebody has to say how it is tested, or why not. */
  readonly unknown: readonly string[];
}

/** Sorts the devices of QEMU. */
export function makeCatalog(devices: readonly QemuDevice[]): Catalog {
  const models: HardwareModel[] = [];
  const leftOut: LeftOutDevice[] = [];
  const unknown: string[] = [];
  for (const device of devices) {
    const reason = reasonToLeaveOut(device);
    const model = device.category === 'Network' ? networkModel(device) : storageModel(device);
    if (reason !== undefined) leftOut.push({ name: device.name, reason });
    else if (model !== undefined) models.push(model);
    else if (isOfSubject(device)) unknown.push(device.name);
  }
  return { models, leftOut, unknown };
}

function isOfSubject({ category }: QemuDevice): boolean {
  return category === 'Network' || category === 'Storage';
}

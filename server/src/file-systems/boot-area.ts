import { readAt, withDevice, writeAt } from './block-device.ts';

/** Copies the first bytes of a partition, which a file system leaves to boot loaders. Call it on unmounted devices. */
export async function carryBootArea(source: string, destination: string, bytes: number): Promise<void> {
  const content = await withDevice(source, 'read', (from) => readAt(from, 0, bytes));
  await withDevice(destination, 'exclusive', (to) => writeAt(to, 0, content));
}

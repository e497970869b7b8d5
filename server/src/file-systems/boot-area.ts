import type { Difference } from '../compare/difference.ts';
import { readAt, withDevice, writeAt } from './block-device.ts';

/** Copies the first bytes of a partition, which a file system leaves to boot loaders. Call it on unmounted devices. */
export async function carryBootArea(source: string, destination: string, bytes: number): Promise<void> {
  const content = await withDevice(source, 'read', (from) => readAt(from, 0, bytes));
  await withDevice(destination, 'exclusive', (to) => writeAt(to, 0, content));
}

/** Compares what `carryBootArea` copied. */
export async function compareBootArea(
  source: string,
  destination: string,
  bytes: number,
): Promise<Difference[]> {
  const [left, right] = await Promise.all(
    [source, destination].map((device) => withDevice(device, 'read', (file) => readAt(file, 0, bytes))),
  );
  if (right !== undefined && left?.equals(right) === true) return [];
  return [{ path: '', property: 'boot code', left: `${bytes} bytes`, right: 'others' }];
}

import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import { hashText } from '../hash.ts';
import { pathExists } from '../path-exists.ts';
import { driverOrder } from './driver-order.ts';
import { hashTree } from './hash-tree.ts';
import type { Layer, OptionalLayer } from './layer.ts';

/**
 * The client is half of the medium and decides how long a start takes: zstd, which is unpacked three times as fast.
 * The drivers are many, and few of them are read: xz, which is smaller. Figures in ADR 5.
 */
const COMPRESSION: Readonly<Record<Layer | OptionalLayer, readonly string[]>> = {
  system: ['-comp', 'zstd', '-Xcompression-level', '22', '-b', '256K'],
  client: ['-comp', 'zstd', '-Xcompression-level', '22', '-b', '256K'],
  drivers: ['-comp', 'xz', '-b', '1M'],
  'extra-drivers': ['-comp', 'xz', '-b', '1M'],
  firmware: ['-comp', 'xz', '-b', '1M'],
};

/** The squashfs image of a layer's folder; it comes from the cache if an equal folder was packed before. */
export async function packLayer(
  layer: Layer | OptionalLayer,
  folder: string,
  { cacheFolder, epoch }: { cacheFolder: string; epoch: number },
): Promise<string> {
  const cache = join(cacheFolder, 'squashfs');
  const compression = COMPRESSION[layer];
  const order = layer === 'drivers' ? await driverOrder(folder) : '';
  const key = hashText([await hashTree(folder), epoch, ...compression, order].join('\n'));
  const image = join(cache, `${layer}_${key}.squashfs`);
  if (await pathExists(image)) return image;
  await mkdir(cache, { recursive: true });
  await chmod(folder, 0o755);
  const scratch = `${image}.${process.pid}`;
  await rm(scratch, { force: true });
  const orderFile = `${scratch}.order`;
  await writeFile(orderFile, order);
  const times = ['-all-time', String(epoch), '-mkfs-time', String(epoch)];
  const form = ['-all-root', '-no-xattrs', '-noappend', '-no-progress', '-quiet'];
  await run(['mksquashfs', folder, scratch, ...compression, ...times, ...form, '-sort', orderFile]);
  await rm(orderFile);
  await rename(scratch, image);
  return image;
}

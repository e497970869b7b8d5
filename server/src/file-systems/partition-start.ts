import { readFile } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { sysfsFolderOf } from './block-device.ts';

/** The unit of /sys/class/block/.../start, whatever the sector size of the device is. */
const SYSFS_SECTOR = 512;

/**
 * Where a partition starts on its disk, in bytes, as the kernel knows it: from the offset of a loop device, or of a
 * partition of the kernel. Undefined where it knows none: then it is a whole disk, or a regular file.
 */
export async function partitionStart(device: string): Promise<number | undefined> {
  if (!(await stat(device)).isBlockDevice()) return undefined;
  const folder = await sysfsFolderOf(device);
  const read = (path: string): Promise<number> => readFile(`${folder}/${path}`, 'utf8').then(Number, () => 0);
  const bytes = (await read('loop/offset')) || (await read('start')) * SYSFS_SECTOR;
  return bytes === 0 ? undefined : bytes;
}

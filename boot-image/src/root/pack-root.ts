import { chmod, copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import { hashText } from '../hash.ts';
import { pathExists } from '../path-exists.ts';
import { hashTree } from './hash-tree.ts';

/** Measured in ADR 5. */
const COMPRESSION = ['-comp', 'xz', '-Xbcj', 'x86', '-b', '256K'];

/** Packs a folder into a squashfs image; an equal folder was packed before and comes from the cache. */
export async function packRoot(
  folder: string,
  image: string,
  { cacheFolder, epoch }: { cacheFolder: string; epoch: number },
): Promise<{ cached: boolean }> {
  const cache = join(cacheFolder, 'squashfs');
  const key = hashText([await hashTree(folder), epoch, ...COMPRESSION].join('\n'));
  const cachedImage = join(cache, `${key}.squashfs`);
  const cached = await pathExists(cachedImage);
  if (!cached) {
    await mkdir(cache, { recursive: true });
    await chmod(folder, 0o755);
    const scratch = `${cachedImage}.${process.pid}`;
    const times = ['-all-time', String(epoch), '-mkfs-time', String(epoch)];
    const form = ['-all-root', '-no-xattrs', '-noappend', '-no-progress', '-quiet'];
    await rm(scratch, { force: true });
    await run(['mksquashfs', folder, scratch, ...COMPRESSION, ...times, ...form]);
    await rename(scratch, cachedImage);
  }
  await copyFile(cachedImage, image);
  return { cached };
}

import { statfs } from 'node:fs/promises';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import type { Layout } from './layout.ts';
import { withMountedPartition } from './mounted-partition.ts';

/**
 * What the files of a disk take, in bytes: what df shows for the root (for ext4, the blocks in use without the file
 * system's own overhead), for FAT the clusters of its files. The disk is only read.
 */
export async function usedBytesOf(
  disk: string,
  { root, rootFileSystem, esp }: Layout,
  session: Session,
): Promise<number> {
  const rootBytes =
    rootFileSystem === 'ext4'
      ? await ext4UsedBytes(disk, root.start)
      : await withMountedPartition({ disk, partition: root, options: 'ro' }, session, mountedUsedBytes);
  return esp === undefined ? rootBytes : rootBytes + (await fatUsedBytes(disk, esp.start));
}

async function mountedUsedBytes(folder: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(folder);
  return (blocks - bfree) * bsize;
}

/** Without mounting it: a journal to be replayed, as after a loss of power, would not let it be only read. */
async function ext4UsedBytes(disk: string, start: number): Promise<number> {
  const { stdout } = await run(['dumpe2fs', '-h', `${disk}?offset=${start}`]);
  const blocks = headerNumber(stdout, 'Block count');
  const unused = headerNumber(stdout, 'Free blocks') + headerNumber(stdout, 'Overhead clusters');
  return (blocks - unused) * headerNumber(stdout, 'Block size');
}

function headerNumber(header: string, name: string): number {
  const text = new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(header)?.[1];
  if (text === undefined) throw new Error(`dumpe2fs printed no "${name}"`);
  return Number(text);
}

async function fatUsedBytes(disk: string, start: number): Promise<number> {
  const image = `${disk}@@${start}`;
  const { stdout: total } = await run(['mdir', '-i', image, '-/', '::/']);
  const inFiles = /Total files listed:\s+\d+ files?\s+([\d ]+) bytes/.exec(total)?.[1];
  if (inFiles === undefined) throw new Error(`mdir printed no total for ${image}`);
  return Number(inFiles.replaceAll(' ', ''));
}

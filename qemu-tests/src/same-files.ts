import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { compareTrees, type Difference } from '@diskferry/server/compare/compare-trees';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import type { Layout } from './source-computers/layout.ts';
import { withMountedPartition } from './source-computers/mounted-partition.ts';
import { workFile } from './work-files.ts';

/**
 * The differences of the files on two disks of the same layout. Both are only read: `source` raw, `image` qcow2.
 * Its root file systems must need no journal replay.
 */
export async function differencesOf(
  { source, image, layout }: { source: string; image: string; layout: Layout },
  session: Session,
): Promise<Difference[]> {
  const raw = await workFile(session, 'image.raw');
  await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', image, raw]);
  const partition = layout.root;
  const options = 'ro,noatime';
  const inRoot = await withMountedPartition({ disk: source, partition, options }, session, async (left) =>
    withMountedPartition({ disk: raw, partition, options }, session, async (right) =>
      compareTrees(left, right),
    ),
  );
  if (layout.esp === undefined) return inRoot;
  const [left, right] = await Promise.all([
    unpackFat(source, layout.esp.start, join(session.folder, 'esp-source')),
    unpackFat(raw, layout.esp.start, join(session.folder, 'esp-image')),
  ]);
  return [...inRoot, ...(await compareTrees(left, right, { accessTimes: false }))];
}

/** Copies the files of a FAT partition with their times. */
async function unpackFat(disk: string, start: number, folder: string): Promise<string> {
  await mkdir(folder);
  await run(['mcopy', '-i', `${disk}@@${start}`, '-s', '-m', '-Q', '::/*', folder]);
  // The root of a FAT file system has no times.
  await utimes(folder, 0, 0);
  return folder;
}

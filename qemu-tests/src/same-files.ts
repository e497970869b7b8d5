import { mkdir, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { compareTrees, type Difference } from '@diskferry/server/compare/compare-trees';
import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import { readPartitionTable } from '@diskferry/server-adapter/partitions/read-partition-table';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';
import type { Layout } from './source-computers/layout.ts';
import { withMountedPartition, withPartitionDevice } from './source-computers/mounted-partition.ts';
import { workCopy, workFile } from './work-files.ts';

/** A raw disk in a file. */
export interface DiskFile {
  readonly path: string;
  /** Logical, in bytes. */
  readonly sectorSize: 512 | 4096;
}

/**
 * The differences of the files on two disks with partitions of the same numbers. Both are only read: `source` raw, with
 * the given layout, `image` qcow2. Their root file systems must need no journal replay.
 */
export async function differencesOf(
  { source, image, layout }: { source: string; image: string; layout: Layout },
  session: Session,
): Promise<Difference[]> {
  const raw = await workFile(session, 'image.raw');
  await run(['qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', image, raw]);
  return differencesOfDisks({ source, copy: { path: raw, sectorSize: 512 }, layout }, session);
}

/** The same for a copy in a raw disk file, which may have other sizes, places and sectors. */
export async function differencesOfDisks(
  { source, copy, layout }: { source: string; copy: DiskFile; layout: Layout },
  session: Session,
): Promise<Difference[]> {
  const table = await partitionTableOf(copy);
  const root = partition(table, layout.root.number);
  // The kernel takes two Btrfs with one UUID for one.
  const right = layout.rootFileSystem === 'btrfs' ? await withNewUuid(copy, root, session) : copy;
  const options = MOUNT_OPTIONS[layout.rootFileSystem];
  const inRoot = await withMountedPartition({ disk: source, partition: layout.root, options }, session, (a) =>
    withMountedPartition(
      { disk: right.path, sectorSize: right.sectorSize, partition: root, options },
      session,
      (b) => compareTrees(a, b),
    ),
  );
  if (layout.esp === undefined) return inRoot;
  const esp = partition(table, layout.esp.number);
  const [left, copied] = await Promise.all([
    unpackFat(source, layout.esp.start, join(session.folder, 'esp-source')),
    unpackFat(copy.path, esp.start, join(session.folder, 'esp-copy')),
  ]);
  return [...inRoot, ...(await compareTrees(left, copied, { accessTimes: false }))];
}

/** Btrfs is seen from its top, with the subvolume that is the root of the system. */
const MOUNT_OPTIONS = {
  ext4: 'ro,noatime',
  xfs: 'ro,noatime,nouuid',
  btrfs: 'ro,noatime,subvolid=5',
} as const;

/** Reads the partition table of a raw disk file. */
export async function partitionTableOf({ path, sectorSize }: DiskFile): Promise<PartitionTable> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  return await readPartitionTable({
    size,
    sectorSize: { logical: sectorSize, physical: sectorSize },
    async read(offset, length) {
      const bytes = Buffer.alloc(length);
      await file.read(bytes, 0, length, offset);
      return bytes;
    },
  });
}

function partition({ partitions }: PartitionTable, number: number): { start: number; size: number } {
  const found = partitions.find((each) => each.number === number);
  if (found === undefined) throw new Error(`there is no partition ${number}`);
  return found;
}

/** A copy of a disk whose Btrfs has another UUID. */
async function withNewUuid(
  disk: DiskFile,
  place: { readonly start: number; readonly size: number },
  session: Session,
): Promise<DiskFile> {
  const path = await workCopy(session, disk.path, 'other-uuid.raw');
  await withPartitionDevice(
    { disk: path, sectorSize: disk.sectorSize, partition: place },
    session,
    async (device) => run(['btrfstune', '-m', device]),
  );
  return { ...disk, path };
}

/** Copies the files of a FAT partition with their times. */
async function unpackFat(disk: string, start: number, folder: string): Promise<string> {
  await mkdir(folder);
  await run(['mcopy', '-i', `${disk}@@${start}`, '-s', '-m', '-Q', '::/*', folder]);
  // The root of a FAT file system has no times.
  await utimes(folder, 0, 0);
  return folder;
}

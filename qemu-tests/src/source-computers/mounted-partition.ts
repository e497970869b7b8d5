import { randomBytes } from 'node:crypto';
import { link, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

interface DiskPart {
  /** A raw disk file. */
  readonly disk: string;
  readonly partition: {
    /** Bytes. */
    readonly start: number;
    /** Bytes. */
    readonly size: number;
  };
  /** Logical sectors of the disk, in bytes; 512 by default. */
  readonly sectorSize?: number;
  readonly readOnly?: boolean;
}

/**
 * Works on a block device of one partition of a disk file. The partition is found by offset and size, because not
 * every kernel scans partitions on loop devices.
 */
export async function withPartitionDevice<T>(
  { disk, partition, sectorSize = 512, readOnly = false }: DiskPart,
  session: Session,
  work: (device: string) => Promise<T>,
): Promise<T> {
  const backing = readOnly ? await nameOfOurs(disk, session) : disk;
  const loop = { kind: 'loop', backing } as const;
  session.hold(loop);
  const place = [`--offset=${partition.start}`, `--sizelimit=${partition.size}`];
  const access = [`--sector-size=${sectorSize}`, ...(readOnly ? ['--read-only'] : [])];
  const { stdout } = await run(['losetup', '--find', '--show', ...place, ...access, backing]);
  try {
    return await work(stdout.trim());
  } finally {
    await session.release(loop);
  }
}

/**
 * Another name of a disk file, which goes with the session. A session that releases a loop device detaches all those of its
 * file's name, and two tests may look at one disk of the cache at the same time.
 */
async function nameOfOurs(disk: string, session: Session): Promise<string> {
  const path = join(dirname(disk), `.${session.id}-${randomBytes(4).toString('hex')}`);
  session.hold({ kind: 'file', path });
  await link(disk, path);
  return path;
}

/** Works on the mounted file system of one partition of a disk file. */
export async function withMountedPartition<T>(
  { options = 'rw', ...part }: Omit<DiskPart, 'readOnly'> & { readonly options?: string },
  session: Session,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const readOnly = options.split(',').includes('ro');
  return withPartitionDevice({ ...part, readOnly }, session, async (device) => {
    const name = `mount-${randomBytes(4).toString('hex')}`;
    const folder = { kind: 'directory', path: join(session.folder, name) } as const;
    const mount = { kind: 'mount', path: folder.path } as const;
    session.hold(folder);
    await mkdir(folder.path);
    session.hold(mount);
    try {
      await run(['mount', '-o', options, device, folder.path]);
      return await work(folder.path);
    } finally {
      for (const resource of [mount, folder]) await session.release(resource);
    }
  });
}

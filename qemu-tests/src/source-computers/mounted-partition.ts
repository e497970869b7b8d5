import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

interface Range {
  /** Bytes. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * Works on the mounted file system of one partition of a disk file. The partition is found by offset and size,
 * because not every kernel scans partitions on loop devices.
 */
export async function withMountedPartition<T>(
  { disk, partition, options = 'rw' }: { disk: string; partition: Range; options?: string },
  session: Session,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const name = `mount-${randomBytes(4).toString('hex')}`;
  const folder = { kind: 'directory', path: join(session.folder, name) } as const;
  const loop = { kind: 'loop', backing: disk } as const;
  const mount = { kind: 'mount', path: folder.path } as const;
  session.hold(folder);
  await mkdir(folder.path);
  session.hold(loop);
  const place = [`--offset=${partition.start}`, `--sizelimit=${partition.size}`];
  const access = options.startsWith('ro') ? ['--read-only'] : [];
  const { stdout } = await run(['losetup', '--find', '--show', ...place, ...access, disk]);
  session.hold(mount);
  try {
    await run(['mount', '-t', 'ext4', '-o', options, stdout.trim(), folder.path]);
    return await work(folder.path);
  } finally {
    for (const resource of [mount, loop, folder]) await session.release(resource);
  }
}

import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';
import type { ImageFormat } from '../simulated-disk.ts';
import { explainImageFailure, refuseUnlessFile } from './image-error.ts';

/**
 * QEMU writes a new table of qcow2 in pieces as large as the entries of its cache, 4 KiB by itself: 16 requests for each
 * table instead of one (16,000 for an empty ext4 of 2 TB). A table of a new image of ours is one cluster, 64 KiB.
 */
const QCOW2_TABLE_BYTES = 64 * 1024;

interface ServerOptions {
  readonly path: string;
  readonly readOnly: boolean;
  /**
   * It is new, and worth nothing until it is whole and synced: until then, nothing is made safe against a power failure.
   * Each new table of a qcow2 would otherwise wait for the disk below.
   */
  readonly isNew?: boolean;
  /** Where the socket and the pid file go. */
  readonly folder: string;
}

/**
 * Memory of a request is used again for the next one. Otherwise it is given back to the kernel and taken anew each time, and
 * qemu-nbd spends most of its time on that: 10 s instead of 1.7 s of processor time for 2 GiB written in requests of 1 MiB.
 */
const KEEP_MEMORY = {
  GLIBC_TUNABLES:
    'glibc.malloc.mmap_threshold=134217728:glibc.malloc.trim_threshold=268435456:glibc.malloc.arena_max=1',
};

export interface ImageServerOptions extends ServerOptions {
  readonly format: ImageFormat;
}

/**
 * Serves a virtual disk file by qemu-nbd on a unix socket. The server ends when its last client leaves, so that it cannot
 * outlive its adapter.
 *
 * @throws {ImageError} when the image is missing, damaged, of another format, or held by another program
 */
export async function serveImage(held: HeldResources, options: ImageServerOptions): Promise<DiskAddress> {
  await refuseUnlessFile(options.path);
  return serve(held, options).catch((error: unknown) => {
    throw explainImageFailure(options.path, error);
  });
}

/**
 * Serves a block device of this server in the same way.
 *
 * @throws {CommandError} when it cannot be opened
 */
export function serveDevice(held: HeldResources, options: ServerOptions): Promise<DiskAddress> {
  return serve(held, { ...options, format: 'raw' });
}

async function serve(held: HeldResources, options: ImageServerOptions): Promise<DiskAddress> {
  const { readOnly, isNew = false, folder } = options;
  const socketPath = join(folder, 'image.sock');
  const pidFile = `--pid-file=${join(folder, 'qemu-nbd.pid')}`;
  held.hold({ kind: 'daemon', argument: pidFile, name: 'qemu-nbd' });
  await run(
    [
      'qemu-nbd',
      '--fork',
      pidFile,
      '--socket',
      socketPath,
      // Its adapter, and those that copy to or from it.
      '--shared=0',
      isNew ? '--cache=unsafe' : '--cache=writeback',
      '--aio=threads',
      ...(readOnly ? ['--read-only'] : ['--discard=unmap', '--detect-zeroes=unmap']),
      ...imageArguments(options),
    ],
    { env: KEEP_MEMORY },
  );
  return { transport: 'unix', socketPath, exportName: '' };
}

/** What is served, and how its format is driven (qemu-block-drivers(7)). */
function imageArguments({ path, format, isNew = false }: ImageServerOptions): string[] {
  if (!isNew || format !== 'qcow2') return ['--format', format, path];
  const file = { driver: 'file', filename: path };
  return [`json:${JSON.stringify({ driver: format, file, 'l2-cache-entry-size': QCOW2_TABLE_BYTES })}`];
}

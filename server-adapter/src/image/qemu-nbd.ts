import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';
import type { ImageFormat } from '../simulated-disk.ts';
import { explainImageFailure, refuseUnlessFile } from './image-error.ts';

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

async function serve(
  held: HeldResources,
  { path, format, readOnly, isNew = false, folder }: ImageServerOptions,
): Promise<DiskAddress> {
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
      '--format',
      format,
      isNew ? '--cache=unsafe' : '--cache=writeback',
      '--aio=threads',
      ...(readOnly ? ['--read-only'] : ['--discard=unmap', '--detect-zeroes=unmap']),
      path,
    ],
    { env: KEEP_MEMORY },
  );
  return { transport: 'unix', socketPath, exportName: '' };
}

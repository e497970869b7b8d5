import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';
import type { ImageFormat } from '../simulated-disk.ts';
import { explainImageFailure, refuseUnlessFile } from './image-error.ts';

export interface ImageServerOptions {
  readonly path: string;
  readonly format: ImageFormat;
  readonly readOnly: boolean;
  /** Where the socket and the pid file go. */
  readonly folder: string;
}

/**
 * Serves a virtual disk file by qemu-nbd on a unix socket. The server takes one client and ends when it leaves, so
 * that it cannot outlive its adapter.
 *
 * @throws {ImageError} when the image is missing, damaged, of another format, or held by another program
 */
export async function serveImage(held: HeldResources, options: ImageServerOptions): Promise<DiskAddress> {
  await refuseUnlessFile(options.path);
  const socketPath = join(options.folder, 'image.sock');
  const pidFile = `--pid-file=${join(options.folder, 'qemu-nbd.pid')}`;
  held.hold({ kind: 'daemon', argument: pidFile, name: 'qemu-nbd' });
  await run([
    'qemu-nbd',
    '--fork',
    pidFile,
    '--socket',
    socketPath,
    '--format',
    options.format,
    '--cache=writeback',
    '--aio=threads',
    ...(options.readOnly ? ['--read-only'] : ['--discard=unmap', '--detect-zeroes=unmap']),
    options.path,
  ]).catch((error: unknown) => {
    throw explainImageFailure(options.path, error);
  });
  return { transport: 'unix', socketPath, exportName: '' };
}

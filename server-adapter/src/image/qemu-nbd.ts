import { join } from 'node:path';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';
import type { ImageFormat } from '../simulated-disk.ts';
import { explainImageFailure, refuseUnlessFile } from './image-error.ts';

interface ServerOptions {
  readonly path: string;
  readonly readOnly: boolean;
  /** Where the socket and the pid file go. */
  readonly folder: string;
}

export interface ImageServerOptions extends ServerOptions {
  readonly format: ImageFormat;
}

/**
 * Serves a virtual disk file by qemu-nbd on a unix socket. The server takes one client and ends when it leaves, so
 * that it cannot outlive its adapter.
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
  { path, format, readOnly, folder }: ImageServerOptions,
): Promise<DiskAddress> {
  const socketPath = join(folder, 'image.sock');
  const pidFile = `--pid-file=${join(folder, 'qemu-nbd.pid')}`;
  held.hold({ kind: 'daemon', argument: pidFile, name: 'qemu-nbd' });
  await run([
    'qemu-nbd',
    '--fork',
    pidFile,
    '--socket',
    socketPath,
    '--format',
    format,
    '--cache=writeback',
    '--aio=threads',
    ...(readOnly ? ['--read-only'] : ['--discard=unmap', '--detect-zeroes=unmap']),
    path,
  ]);
  return { transport: 'unix', socketPath, exportName: '' };
}

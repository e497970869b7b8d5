import { statSync } from 'node:fs';
import { parseDiskAddress } from '@diskferry/protocol/disk-address';
import { inspectImage } from '@diskferry/server-adapter/image/virtual-disk';
import type { DiskSource } from '@diskferry/server-adapter/simulated-disk';
import { RefusedError } from '../refused-error.ts';
import { findManagedDisk } from '../serve/managed-disk.ts';

/** An address has a scheme or an @; everything else is the path of an image. */
const LOOKS_LIKE_ADDRESS = /^nbd(\+unix)?:|@[^/]+$/;

export type RemoteSource = Extract<DiskSource, { readonly kind: 'remote' }>;

/**
 * Reads what a user wrote for a remote disk: an address, or a disk of a computer that has dialled this server.
 *
 * @throws {AddressError}
 * @throws {RefusedError} `DISK_MISSING` for a managed computer without such a disk
 */
export async function remoteSourceOf(text: string): Promise<RemoteSource> {
  return { kind: 'remote', ...((await findManagedDisk(text)) ?? { address: parseDiskAddress(text) }) };
}

/**
 * Reads what a user wrote for a disk: the address of a remote disk, the path of an image, or that of a disk of this server.
 *
 * @throws {RefusedError} `IMAGE_MISSING` when it is a path that does not exist
 */
export async function diskSourceOf(text: string): Promise<DiskSource> {
  const found = statSync(text, { throwIfNoEntry: false });
  if (found?.isBlockDevice()) return { kind: 'device', path: text };
  if (found !== undefined) {
    const { format } = await inspectImage(text);
    return { kind: 'image', path: text, format };
  }
  if (LOOKS_LIKE_ADDRESS.test(text)) return remoteSourceOf(text);
  throw new RefusedError(
    'IMAGE_MISSING',
    `there is no image ${text}; give the path of an image or an address such as /dev/sda@HOST`,
  );
}

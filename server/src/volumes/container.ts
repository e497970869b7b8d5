import type { Session } from '@diskferry/system/session';
import type { Signature } from '../file-systems/blkid.ts';
import type { CopyContext, FileSystem } from '../file-systems/file-system.ts';
import type { VolumeNeeds } from '../layout/layout-request.ts';

/** What a driver of volumes needs to look inside them. */
export interface Inside {
  /** Holds what is opened on the way. */
  readonly session: Session;
  /** Opens what is encrypted. */
  readonly passphrase: string | undefined;
  /** Finds out what is on a device inside the volume. */
  readonly recognise: (device: string) => Promise<FileSystem>;
}

/** Examines a volume that holds other file systems, which are recognised and copied like those of partitions. */
export type ContainerDriver = (device: string, signature: Signature, inside: Inside) => Promise<FileSystem>;

/** Firmware reads FAT, and has no use for more room; what is copied as sectors cannot change. */
export function needsOf({ how, type, smallestBytes }: FileSystem): VolumeNeeds {
  return { smallestBytes, growable: how === 'files' && type !== 'vfat' };
}

/** The context for one of several file systems inside: its progress comes on top, and its warnings say where. */
export function contextInside(context: CopyContext, name: string, bytesBefore: number): CopyContext {
  return {
    ...context,
    onProgress: (bytes) => context.onProgress(bytesBefore + bytes),
    warn: (message) => context.warn(`${name}: ${message}`),
  };
}

import type { AdapterChannel, DiskGeometry } from '../adapter/messages.ts';
import type { HeldResources } from '../held-resources.ts';

/** A way to make a block device of this server out of a disk that an adapter process offers. */
export interface LoopbackDriver {
  /** Makes ready, in `folder`, what the adapter process needs; holds what the adapter will take. */
  prepare(held: HeldResources, folder: string): Promise<AdapterChannel>;
  /**
   * Makes the block device, after the adapter is ready.
   *
   * @returns its path, such as /dev/loop0
   * @throws {CommandError} when the kernel refuses
   */
  attach(held: HeldResources, channel: AdapterChannel, geometry: DiskGeometry): Promise<string>;
}

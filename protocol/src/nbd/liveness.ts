import type { DiskAddress } from '../disk-address.ts';
import { type ConnectOptions, connectNbd } from './client.ts';
import { type DiskFacts, refuseOtherDisk } from './same-disk.ts';

/**
 * Tells whether a server that owes answers still lives: whether a further connection to it can be made, and finds the same disk.
 * Several questions at the same time are one.
 *
 * @param facts what is known of the disk by the time of a question, if it is
 */
export function livenessOf(
  address: DiskAddress,
  options: ConnectOptions,
  facts: () => DiskFacts | undefined,
): () => Promise<boolean> {
  let running: Promise<boolean> | undefined;

  async function probe(): Promise<boolean> {
    try {
      const disk = await connectNbd(address, options);
      try {
        const before = facts();
        if (before !== undefined) refuseOtherDisk(disk, before);
        return true;
      } finally {
        await disk.close();
      }
    } catch {
      return false;
    }
  }

  return () => {
    running ??= probe().finally(() => {
      running = undefined;
    });
    return running;
  };
}

import { accessStatus, grantStatus } from './access/access-status.ts';
import { configuredAccess } from './access/configured-access.ts';
import type { ServeOptions } from './command-line.ts';
import { startControlServer } from './control/control-server.ts';
import { openBlockDisk } from './disks/block-disk.ts';
import { createDiskList } from './disks/disk-list.ts';
import { inventoryReader } from './inventory/inventory.ts';
import { ActivityBook } from './server/activity.ts';
import { diskCatalog } from './server/disk-catalog.ts';
import { DiskPool } from './server/disk-pool.ts';
import { startDiskServer } from './server/disk-server.ts';
import { startScreen } from './screen.ts';
import { VERSION } from './version.ts';

export interface ImagingClient {
  /** Ends all connections and closes the disks. */
  close(): Promise<void>;
}

/**
 * Serves disks and control channel, and keeps the screen up to date.
 *
 * @param print writes text to the screen
 * @throws {NamedDiskError} for a disk that cannot be served
 * @throws {AccessSetupError} for keys that cannot be used
 * @throws {ListenError} for a port that cannot be used
 */
export async function startImagingClient(
  options: ServeOptions,
  print: (text: string) => void,
): Promise<ImagingClient> {
  const { host } = options;
  const listDisks = createDiskList(options);
  const access = await configuredAccess(options);
  const pool = new DiskPool(openBlockDisk);
  const book = new ActivityBook();
  const readInventory = inventoryReader(listDisks);

  const disks = await startDiskServer({
    port: options.port,
    host,
    access,
    catalogFor: (peer) => diskCatalog({ listDisks, pool, book, access, peer }),
  });
  const control = await startControlServer({
    port: options.controlPort,
    host,
    version: VERSION,
    readInventory,
    listDisks,
    access,
  }).catch(async (error: unknown) => {
    await disks.close();
    throw error;
  });
  const screen = startScreen({
    readState: () => ({
      version: VERSION,
      inventory: readInventory(),
      port: disks.port,
      controlPort: control.port,
      host,
      access: accessStatus(access),
      grants: grantStatus(access),
    }),
    book,
    print,
  });
  return {
    close: async () => {
      screen.stop();
      await Promise.all([disks.close(), control.close()]);
    },
  };
}

import { grantStatus } from './access/access-status.ts';
import type { ServeOptions } from './command-line.ts';
import { openBlockDisk } from './disks/block-disk.ts';
import { createDiskList } from './disks/disk-list.ts';
import type { Offer } from './doors.ts';
import { inventoryReader } from './inventory/inventory.ts';
import { openConsoles } from './console/open-consoles.ts';
import { LogView } from './console/log-view.ts';
import { readSurroundings } from './console/surroundings.ts';
import { Departure } from './leave/departure.ts';
import { openDiallingDoors } from './managed/dialling-doors.ts';
import { ActivityBook } from './server/activity.ts';
import { diskCatalog } from './server/disk-catalog.ts';
import { DiskPool } from './server/disk-pool.ts';
import { openListeningDoors } from './server/listening-doors.ts';
import { startScreen } from './screen.ts';
import type { GrantStatus } from './status.ts';
import { VERSION } from './version.ts';
import { waitForFile } from './wait-for-file.ts';

export interface ImagingClient {
  /** Ends all connections and closes the disks. */
  close(): Promise<void>;
}

/**
 * Serves disks and control channel, and keeps the screen up to date.
 *
 * @param print writes text where no terminal is given, or none works
 * @throws {NamedDiskError} for a disk that cannot be served
 * @throws {AccessSetupError} for keys that cannot be used
 * @throws {ListenError} for a port that cannot be used
 * @throws {SettingsError} for a server that cannot be dialled with these files
 */
export async function startImagingClient(
  options: ServeOptions,
  print: (text: string) => void,
): Promise<ImagingClient> {
  const { host, managed, stateFolder } = options;
  const listDisks = createDiskList(options);
  const pool = new DiskPool(openBlockDisk);
  const book = new ActivityBook();
  const readInventory = inventoryReader(listDisks);
  const offer: Offer = {
    listDisks,
    readInventory,
    departure: new Departure(options.systemFolder),
    catalogFor: (access, peer) => diskCatalog({ listDisks, pool, book, access, peer }),
  };
  const doors =
    managed === undefined
      ? await openListeningDoors(options, offer)
      : await openDiallingDoors({ managed, stateFolder }, offer);
  // Until then keys were made and ports opened: a start waits for the hardware and for this program at the same time.
  if (options.settledFile !== undefined) await waitForFile(options.settledFile);
  const grants = (): readonly GrantStatus[] => grantStatus(doors.access);
  const consoles = openConsoles(options, { readInventory, grants });
  const screen = startScreen({
    readState: () => ({
      version: VERSION,
      inventory: readInventory(),
      host,
      ...doors.status(),
      grants: grants(),
      ...readSurroundings(options.systemFolder),
    }),
    book,
    views: consoles.length === 0 ? [new LogView(print)] : consoles,
  });
  return {
    close: async () => {
      screen.stop();
      for (const console of consoles) console.close();
      await doors.close();
    },
  };
}

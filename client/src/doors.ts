import type { Inventory } from '@diskferry/protocol/inventory';
import type { ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';
import type { Access } from './access/access.ts';
import type { Peer } from './access/peer.ts';
import type { DiskList } from './disks/disk-list.ts';
import type { Departure } from './leave/departure.ts';
import type { StatusState } from './status.ts';

/** What this computer has to offer, whichever way servers come to it. */
export interface Offer {
  readonly listDisks: DiskList;
  readonly readInventory: () => Inventory;
  readonly departure: Departure;
  /** The disks as a peer sees them. */
  catalogFor(access: Access, peer: Peer): ExportCatalog;
}

/** The way servers come: to its ports, or over connections that it dials. */
export interface Doors {
  readonly access: Access;
  /** For the screen; both ports are 0 where nothing is listened on. */
  status(): Pick<StatusState, 'port' | 'controlPort' | 'access'>;
  /** Ends all connections. */
  close(): Promise<void>;
}

import type { Disk } from '@diskferry/protocol/disk';
import { type ExportCatalog, ExportRefusal } from '@diskferry/protocol/nbd/export-catalog';
import type { Access } from '../access/access.ts';
import { grantedDisk } from '../access/granted-disk.ts';
import { isGrantName } from '../access/grants.ts';
import type { Peer } from '../access/peer.ts';
import { describeDisk } from '../disks/disk-description.ts';
import type { DiskList } from '../disks/disk-list.ts';
import type { LocalDisk } from '../disks/local-disk.ts';
import { wireIdentity } from '../disks/wire-identity.ts';
import type { ActivityBook } from './activity.ts';
import { countedDisk } from './counted-disk.ts';
import type { DiskPool } from './disk-pool.ts';

export interface DiskCatalogOptions {
  readonly listDisks: DiskList;
  readonly pool: DiskPool;
  readonly book: ActivityBook;
  readonly access: Pick<Access, 'grants' | 'writable'>;
  /** The server at the other end of the connection. */
  readonly peer: Peer;
}

/**
 * The disks as one peer sees them: a read-only export each, opened when the peer chooses it, and those not listed
 * for which it has a grant, which can be written.
 */
export function diskCatalog(options: DiskCatalogOptions): ExportCatalog {
  const { listDisks, book } = options;
  return {
    list: async () => listDisks().map(({ info }) => ({ name: info.name, description: describeDisk(info) })),
    open: async (name) => {
      const choice = chooseDisk(name, options);
      if (choice === undefined) return undefined;
      const { local } = choice;
      const disk = local.info.name;
      try {
        return {
          ...countedDisk(await choice.open(), book.begin(disk, options.peer.name), book),
          description: describeDisk(local.info),
          identity: wireIdentity(local),
        };
      } catch (error) {
        book.fail(disk, error instanceof Error ? error.message : String(error));
        throw error;
      }
    },
  };
}

interface Choice {
  readonly local: LocalDisk;
  open(): Promise<Disk>;
}

function chooseDisk(name: string, { listDisks, pool, access, peer }: DiskCatalogOptions): Choice | undefined {
  const plain = listDisks().find(({ info }) => info.name === name);
  if (plain !== undefined) {
    return { local: plain, open: () => pool.borrow(plain, { writable: access.writable }) };
  }
  if (!isGrantName(name)) return undefined;
  const named = access.grants.find(peer, name);
  const granted = listDisks().find(
    ({ info, generation }) => info.name === named?.grant.disk && generation === named.grant.generation,
  );
  if (named === undefined || granted === undefined) {
    throw new ExportRefusal(
      'the right to write under this name has ended, or was never given to this server',
    );
  }
  return {
    local: granted,
    open: async () => {
      await named.begin();
      return grantedDisk(await pool.borrow(granted, { writable: true }), named);
    },
  };
}

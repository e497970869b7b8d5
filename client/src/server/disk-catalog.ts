import type { ExportCatalog } from '@diskferry/protocol/nbd/export-catalog';
import { describeDisk } from '../disks/disk-description.ts';
import type { DiskList } from '../disks/disk-list.ts';
import type { ActivityBook } from './activity.ts';
import { countedDisk } from './counted-disk.ts';
import type { DiskPool } from './disk-pool.ts';

export interface DiskCatalogOptions {
  readonly listDisks: DiskList;
  readonly pool: DiskPool;
  readonly book: ActivityBook;
  /** Address of the server at the other end of the connection. */
  readonly peer: string;
}

/** The disks as one connection sees them: an export each, opened when the server chooses it. */
export function diskCatalog({ listDisks, pool, book, peer }: DiskCatalogOptions): ExportCatalog {
  return {
    list: async () => listDisks().map(({ info }) => ({ name: info.name, description: describeDisk(info) })),
    open: async (name) => {
      const local = listDisks().find(({ info }) => info.name === name);
      if (local === undefined) return undefined;
      try {
        const disk = await pool.borrow(local);
        return countedDisk(disk, book.begin(name, peer), book);
      } catch (error) {
        book.fail(name, error instanceof Error ? error.message : String(error));
        throw error;
      }
    },
  };
}

import { movedGpt } from './moved-gpt.ts';
import { movedMbr } from './moved-mbr.ts';
import type { TablePatch } from './gpt.ts';
import type { Partition, PartitionTable } from './partition-table.ts';
import type { ReadableDisk } from './readable-disk.ts';

/** A partition at its new place, in bytes; whole sectors of the destination. */
export type MovedPartition = Partition & {
  /** Its place on the source. */
  readonly was: { readonly start: number; readonly size: number };
};

/** The disk that gets the table. */
export interface TableDestination {
  readonly bytes: number;
  /** Of a logical sector. */
  readonly sectorBytes: number;
}

/**
 * What must be written to a disk so that it has the partition table of another one, with the partitions at new places.
 * Boot code, identifiers, types, names and attributes are those of the source.
 *
 * @param partitions all partitions of the source's table
 * @throws {PartitionTableError} when a place cannot be written in a table of this kind
 */
export async function movedTable(
  source: ReadableDisk,
  kind: PartitionTable['kind'],
  partitions: readonly MovedPartition[],
  destination: TableDestination,
): Promise<TablePatch[]> {
  switch (kind) {
    case 'gpt':
      return movedGpt(source, partitions, destination);
    case 'mbr':
      return movedMbr(source, partitions, destination);
    case 'none':
      return [];
  }
}

import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';

/** What the contents of a partition demand of its size. */
export interface VolumeNeeds {
  /** The least size that a partition with these contents can have, in bytes. */
  readonly smallestBytes: number;
  /**
   * Whether its size may change without being asked for: true for file systems that hold users' files, false for what the
   * firmware or the maker put there (ESP, recovery, BIOS boot) and for what is copied as sectors.
   */
  readonly growable: boolean;
}

/** What a user asked for one partition: a size in bytes, its least size, all that is left over, or the size that it has. */
export type WantedSize = number | 'min' | 'grow' | 'keep';

export interface LayoutRequest {
  readonly table: PartitionTable;
  /** By partition number; extended partitions have no contents. */
  readonly needs: ReadonlyMap<number, VolumeNeeds>;
  /** Logical sectors of the source, in bytes. */
  readonly sourceSectorBytes: number;
  /** The source's size in bytes. */
  readonly sourceBytes: number;
  /** The destination, in bytes. */
  readonly destination: { readonly bytes: number; readonly sectorBytes: number };
  /** By partition number. */
  readonly wanted?: ReadonlyMap<number, WantedSize>;
}

/** A partition of the destination, with the number, type and identifiers that it had. */
export type PlacedPartition = Partition & {
  /** Where it was on the source, in bytes. */
  readonly was: { readonly start: number; readonly size: number };
};

export interface Layout {
  /** In the order of their numbers. */
  readonly partitions: readonly PlacedPartition[];
  /** Every partition is where it was, with the size that it had. */
  readonly unchanged: boolean;
}

/** The partitions do not fit on the destination. */
export class LayoutError extends Error {
  readonly code = 'DOES_NOT_FIT';

  constructor(message: string) {
    super(message);
    this.name = 'LayoutError';
  }
}

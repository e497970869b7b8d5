import type { SectorSize } from '@diskferry/protocol/disk';

/** What is needed of a disk to find its partitions. */
export interface ReadableDisk {
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: SectorSize;
  /** Reads whole sectors. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A range of a disk in bytes. */
export interface ByteRange {
  readonly start: number;
  readonly size: number;
}

import type { Disk } from '../disk.ts';

/** A disk served over NBD. Its methods reject with DiskError for one request, with NbdError if the connection is gone. */
export interface NbdDisk extends Disk {
  /** What the server says of the disk, such as "Samsung SSD 860, 500.1 GB". */
  readonly description?: string;
  /** The same text again means the same disk in the same running computer. Absent if the server does not tell. */
  readonly identity?: string;
  /** Bytes that came over the connection since it was made, headers included. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** What the server can do itself; the rest is emulated, or for `trim` and `flush` left out. */
  readonly supports: {
    readonly flush: boolean;
    readonly fua: boolean;
    readonly trim: boolean;
    readonly writeZeroes: boolean;
    /** Zeroing can be asked for on condition that it is fast. */
    readonly fastZeroes: boolean;
    /** Several connections to the export see the same bytes. */
    readonly multiConnection: boolean;
  };
  /** Resolves with the reason when the connection ends unasked. */
  readonly lost: Promise<Error>;
}

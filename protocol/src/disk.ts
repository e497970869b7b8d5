/** Sector sizes of a disk, in bytes. */
export interface SectorSize {
  /** The unit of addressing: reads and writes are multiples of it. */
  readonly logical: number;
  /** The unit that the medium writes at once; a multiple of `logical`. */
  readonly physical: number;
}

/**
 * A disk: the small interface that every end of diskferry's data path speaks. Offsets and lengths are bytes and
 * lie inside the disk. Several calls may be under way at once; two that overlap are in no order.
 */
export interface Disk {
  /** Size in bytes. */
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
  /** Fills `target` from `offset`. The caller must not touch `target` until the promise settles. */
  read(offset: number, target: Uint8Array): Promise<void>;
  /** Writes `data` at `offset`; with `fua` it is on stable storage when the promise settles. */
  write(offset: number, data: Uint8Array, options?: { readonly fua?: boolean }): Promise<void>;
  /** Brings all completed writes to stable storage. */
  flush(): Promise<void>;
  /** Says that a range is not needed: it may read as anything afterwards. */
  discard(offset: number, length: number): Promise<void>;
  /** Makes a range read as zeros; with `mayPunch` the space may be given back. */
  writeZeroes(offset: number, length: number, options?: { readonly mayPunch?: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** A disk operation failed; `errno` is the Linux name of the error, such as "EIO" or "ENOSPC". */
export class DiskError extends Error {
  readonly errno: string;

  constructor(errno: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DiskError';
    this.errno = errno;
  }
}

/** Sector sizes of a disk, in bytes. */
export interface SectorSize {
  /** The unit of addressing: reads and writes are multiples of it. */
  readonly logical: number;
  /** The unit that the medium writes at once; a multiple of `logical`. */
  readonly physical: number;
}

/** What the disk knows of a range, without reading it. The NBD specification calls this `base:allocation`. */
export interface Extent {
  /** Bytes. */
  readonly length: number;
  /** No space is allocated for it. */
  readonly hole: boolean;
  /** It reads as zeros. */
  readonly zero: boolean;
}

export interface WriteZeroesOptions {
  /** The space may be given back. */
  readonly mayPunch?: boolean;
  /** Fails with ENOTSUP at once, and changes nothing, where it would be no faster than writing zeros. */
  readonly fast?: boolean;
}

/** The part of a disk that lies in memory now. None of these calls ever waits. */
export interface DiskCache {
  /** Whether all of the range lies in memory. */
  has(offset: number, length: number): boolean;
  /** Fills `target` from `offset`. False if not all of it lies in memory; then `target` may hold anything. */
  read(offset: number, target: Uint8Array): boolean;
  /**
   * Puts `header` and then the bytes of the range on a socket if all of them lie in memory, as far as the socket takes
   * them. Saves a copy of the bytes. Returns how many bytes of header and range together were taken, 0 if none; the
   * caller sends the rest in the usual way.
   *
   * @param socket file descriptor of a non-blocking stream socket on which nothing waits to be sent
   */
  send(socket: number, header: Uint8Array, offset: number, length: number): number;
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
  /** Makes a range read as zeros. */
  writeZeroes(offset: number, length: number, options?: WriteZeroesOptions): Promise<void>;
  /**
   * What is in a range: extents in order, of at least one byte, that begin at `offset` and end at or before its end
   * (at least one of them). Absent where nothing is known, which counts as data everywhere.
   */
  extents?(offset: number, length: number): Promise<readonly Extent[]>;
  /** Absent where a disk cannot tell, or never has, what lies in memory. */
  readonly cache?: DiskCache;
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

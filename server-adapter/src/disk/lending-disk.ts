import type { Disk } from '@diskferry/protocol/disk';

/** A disk that may have bytes in memory before they are asked for. */
export interface LendingDisk extends Disk {
  /**
   * Shows bytes where they lie, which saves their copy into a buffer of the caller.
   *
   * @param use called at most once, with the bytes of the range in order; they are only its until it returns
   * @returns undefined if they are not there and not on their way, and false if they could not be had: {@link read}
   * them then; true after `use` was called
   */
  lend?(
    offset: number,
    length: number,
    use: (parts: readonly Uint8Array[]) => void,
  ): Promise<boolean> | undefined;
}

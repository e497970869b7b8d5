/**
 * `needs-firmware` and `no-driver` are no failures of ours: the card wants a file that Debian's free archive does not have, or Debian's
 * kernel has no driver.
 */
export type CellState = 'passed' | 'failed' | 'needs-firmware' | 'no-driver';

/** Where a driver comes from. */
export type DriverSource = 'first initrd' | 'extra drivers' | 'kernel';

/** What was seen of one cell of the matrix. */
export interface CellResult {
  readonly state: CellState;
  /** The modules that drive it, from the device to the computer. */
  readonly modules?: readonly string[];
  readonly source?: DriverSource;
  /** Why it has not passed. */
  readonly reason?: string;
}

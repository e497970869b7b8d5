import type { SectorSize } from '@diskferry/protocol/disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';

/** What is known of a destination before anything is written to it. */
export interface Geometry {
  readonly bytes: number;
  readonly sectorSize: SectorSize;
}

/** Where a transfer goes: a new image or a disk that is there already. */
export interface Destination {
  /** In words, such as `the new image /srv/pc.qcow2`. */
  readonly name: string;
  /** A new image holds nothing but zeros. */
  readonly isNew: boolean;
  /**
   * Refuses what can be known to fail.
   *
   * @param neededBytes what the contents will about take
   * @throws {RefusedError} `TARGET_TOO_SMALL`
   */
  refuseUnlessItFits(neededBytes: number): Promise<void>;
  /** Attaches it for writing; a new image is made. */
  open(signal: AbortSignal): Promise<SimulatedDisk>;
  /** The attached disk, between `open` and `close`. */
  readonly disk: SimulatedDisk;
  /** Brings everything to the disk and detaches it. */
  close(): Promise<void>;
  /** Attaches it again, to be read; between `close` and `finish`. The reader detaches it. */
  reopen(signal: AbortSignal): Promise<SimulatedDisk>;
  /** Checks a closed image and gives it its name. */
  finish(): Promise<void>;
  /** What makes a failure plain, such as a folder that is full; a sentence. */
  explain(): Promise<string | undefined>;
}

import type { DiskInfo } from '@diskferry/protocol/inventory';

/** A disk of this computer that can be served. */
export interface LocalDisk {
  readonly info: DiskInfo;
  /** What to open, such as "/dev/sda". */
  readonly path: string;
  readonly kind: 'block-device' | 'file';
  /** Differs for another disk that later has the same name, such as the next USB stick. */
  readonly generation: string;
}

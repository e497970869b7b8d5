import type { WantedSize } from '../layout/layout-request.ts';

/** How a file system, or what else is on a partition, is carried. */
export type Mode = 'files' | 'blocks' | 'sectors';

export const MODES = ['files', 'blocks', 'sectors'] as const satisfies readonly Mode[];

/** What a user asked for, beyond source and destination. */
export interface TransferWishes {
  /** Size of a new image in bytes; that of the source if absent. */
  readonly sizeBytes?: number | undefined;
  /** Logical sectors of a new image, in bytes; those of the source if absent. */
  readonly sectorBytes?: 512 | 4096 | undefined;
  /** For all partitions that `modes` does not name; `files` if absent. */
  readonly mode?: Mode | undefined;
  /** By partition number. */
  readonly modes: ReadonlyMap<number, Mode>;
  /** By partition number. */
  readonly sizes: ReadonlyMap<number, WantedSize>;
  /** A GPT instead of an MBR. */
  readonly toGpt: boolean;
  /** Opens LUKS volumes. */
  readonly passphrase?: string | undefined;
}

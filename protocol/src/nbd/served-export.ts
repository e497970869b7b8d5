import type { Disk } from '../disk.ts';
import { TRANSMISSION_FLAG } from './constants.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { BlockSizes } from './option-replies.ts';

const PAGE_BYTES = 4096;

/** A disk as one connection sees it. */
export interface ServedExport {
  readonly name: string;
  readonly description: string;
  readonly disk: Disk;
  /** Bytes: whole logical sectors only, because an odd end could not be read from a real disk. */
  readonly size: number;
  readonly blockSizes: BlockSizes;
}

export function servedExport(name: string, description: string, disk: Disk): ServedExport {
  const { logical, physical } = disk.sectorSize;
  return {
    name,
    description,
    disk,
    size: disk.size - (disk.size % logical),
    blockSizes: { minimum: logical, preferred: Math.max(PAGE_BYTES, physical), maximum: MAX_PAYLOAD_BYTES },
  };
}

/** The transmission flags of an export: what its disk can do. */
export function transmissionFlags(
  { disk }: ServedExport,
  { structured, multiConnection }: { readonly structured: boolean; readonly multiConnection: boolean },
): number {
  const writing =
    TRANSMISSION_FLAG.SEND_FUA | TRANSMISSION_FLAG.SEND_TRIM | TRANSMISSION_FLAG.SEND_WRITE_ZEROES;
  return (
    TRANSMISSION_FLAG.HAS_FLAGS |
    TRANSMISSION_FLAG.SEND_FLUSH |
    (disk.readOnly ? TRANSMISSION_FLAG.READ_ONLY : writing) |
    (structured ? TRANSMISSION_FLAG.SEND_DF : 0) |
    (disk.readOnly || multiConnection ? TRANSMISSION_FLAG.CAN_MULTI_CONN : 0)
  );
}

import { TRANSMISSION_FLAG } from './constants.ts';
import type { ExportedDisk } from './export-catalog.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { BlockSizes } from './option-replies.ts';
import type { ReplyStyle } from './reply-format.ts';

const PAGE_BYTES = 4096;

/** A disk as one connection sees it. */
export interface ServedExport {
  readonly name: string;
  readonly description: string;
  readonly disk: ExportedDisk;
  /** Bytes: whole logical sectors only, because an odd end could not be read from a real disk. */
  readonly size: number;
  readonly blockSizes: BlockSizes;
}

export function servedExport({
  name,
  description,
  disk,
}: Pick<ServedExport, 'name' | 'description' | 'disk'>): ServedExport {
  const { logical, physical } = disk.sectorSize;
  return {
    name,
    description,
    disk,
    size: disk.size - (disk.size % logical),
    blockSizes: { minimum: logical, preferred: Math.max(PAGE_BYTES, physical), maximum: MAX_PAYLOAD_BYTES },
  };
}

/** What was agreed on when the transmission flags are told. */
interface Situation {
  readonly replies: ReplyStyle;
  /** Metadata contexts were selected for this export. */
  readonly contexts: boolean;
  readonly multiConnection: boolean;
}

/** The transmission flags of an export: what its disk can do, and what this server does for all. */
export function transmissionFlags(
  { disk }: ServedExport,
  { replies, contexts, multiConnection }: Situation,
): number {
  const writing =
    TRANSMISSION_FLAG.SEND_FUA |
    TRANSMISSION_FLAG.SEND_TRIM |
    TRANSMISSION_FLAG.SEND_WRITE_ZEROES |
    TRANSMISSION_FLAG.SEND_FAST_ZERO;
  return (
    TRANSMISSION_FLAG.HAS_FLAGS |
    TRANSMISSION_FLAG.SEND_FLUSH |
    TRANSMISSION_FLAG.SEND_CACHE |
    (disk.readOnly ? TRANSMISSION_FLAG.READ_ONLY : writing) |
    (replies === 'simple' ? 0 : TRANSMISSION_FLAG.SEND_DF) |
    (disk.readOnly || multiConnection ? TRANSMISSION_FLAG.CAN_MULTI_CONN : 0) |
    (replies === 'extended' && contexts ? TRANSMISSION_FLAG.BLOCK_STATUS_PAYLOAD : 0)
  );
}

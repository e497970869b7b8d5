import type { SectorSize } from '../disk.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { BlockSizes } from './option-replies.ts';

/** What a server that tells no block sizes must accept (specification, "Block size constraints"). */
const ASSUMED_BLOCK_SIZES = { minimum: 512, preferred: 4096, maximum: MAX_PAYLOAD_BYTES };
/** Longer reads and writes are split, so that the imaging client needs little memory; pipelining hides the seams. */
const MAX_PIECE_BYTES = 1024 * 1024;
const MIN_SECTOR_BYTES = 512;
/** A preferred size beyond it is a wish for throughput, such as the clusters of an image, and no sector. */
const MAX_PHYSICAL_SECTOR_BYTES = 4096;

/** Of what, and how long, requests may be. */
export interface RequestSizes {
  /** Offsets and lengths are multiples of it. */
  readonly minimum: number;
  /** The longest payload: a multiple of the minimum, within the server's maximum. */
  readonly longest: number;
}

/** The sizes of requests for a server. */
export function requestSizes({ minimum, maximum }: BlockSizes = ASSUMED_BLOCK_SIZES): RequestSizes {
  const longest = Math.min(MAX_PIECE_BYTES, maximum);
  return { minimum, longest: longest - (longest % minimum) };
}

/** Sectors as far as a server's block sizes tell of them. */
export function sectorSizeOf({ minimum, preferred }: BlockSizes = ASSUMED_BLOCK_SIZES): SectorSize {
  const logical = Math.max(MIN_SECTOR_BYTES, minimum);
  return { logical, physical: Math.max(logical, Math.min(preferred, MAX_PHYSICAL_SECTOR_BYTES)) };
}

import { run } from '@diskferry/system/run';

const MIB = 1024 * 1024;

/** One kind of chunks of a mounted Btrfs; sizes in bytes, each byte counted once. */
export interface ChunkUse {
  readonly kind: 'Data' | 'Metadata' | 'System' | 'Data+Metadata';
  /** "single", "DUP", "RAID1", ... */
  readonly profile: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
}

/** Asks how the space of a mounted Btrfs is used. */
export async function readChunkUse(folder: string): Promise<ChunkUse[]> {
  const { stdout } = await run(['btrfs', 'filesystem', 'df', '--raw', folder]);
  return parseChunkUse(stdout);
}

/** Reads lines such as "Metadata, DUP: total=268435456, used=67108864". The global reserve is no chunk. */
export function parseChunkUse(output: string): ChunkUse[] {
  const line = /^(Data|Metadata|System|Data\+Metadata), (\w+): total=(\d+), used=(\d+)$/gm;
  return [...output.matchAll(line)].map(([, kind = '', profile = '', total, used]) => ({
    kind: kind as ChunkUse['kind'],
    profile,
    totalBytes: Number(total),
    usedBytes: Number(used),
  }));
}

/** A chunk is a tenth of the device, but not larger than this: fs/btrfs/volumes.c, init_alloc_chunk_ctl. */
const MAX_DATA_CHUNK = 1024 * MIB;
const MAX_METADATA_CHUNK = 256 * MIB;
const SYSTEM_BYTES = 64 * MIB;
const LEAST_BYTES = 256 * MIB;
/**
 * What the relocation wants more than the extents: an extent of up to 128 MiB must be in one piece, so chunks do not
 * get full, and two of them are under way.
 */
const DATA_GROWTH = 1.1;
const DATA_CHUNKS_MORE = 2;
const METADATA_GROWTH = 1.5;
const STEP = 1.02;

/** The least size of a device that these contents can be moved to, found by trying sizes. */
export function smallestForChunks(uses: readonly ChunkUse[]): number {
  let size = LEAST_BYTES;
  while (chunksOn(size, uses) > size) size = Math.ceil(size * STEP);
  return size;
}

function chunksOn(size: number, uses: readonly ChunkUse[]): number {
  return uses.reduce((sum, { kind, profile, usedBytes }) => {
    const copies = profile === 'DUP' ? 2 : 1;
    if (kind === 'System') return sum + SYSTEM_BYTES;
    const isMetadata = kind === 'Metadata';
    const chunk = Math.min(isMetadata ? MAX_METADATA_CHUNK : MAX_DATA_CHUNK, size / 10);
    const chunks = isMetadata
      ? Math.ceil((usedBytes * METADATA_GROWTH) / chunk)
      : Math.ceil((usedBytes * DATA_GROWTH) / chunk) + DATA_CHUNKS_MORE;
    return sum + copies * chunk * chunks;
  }, 0);
}

/** What the chunks' contents take on a device. */
export function bytesInChunks(uses: readonly ChunkUse[]): number {
  return uses.reduce((sum, { profile, usedBytes }) => sum + usedBytes * (profile === 'DUP' ? 2 : 1), 0);
}

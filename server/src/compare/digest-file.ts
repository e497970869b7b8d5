import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { DataRange } from './data-map.ts';

/** Read at once; ranges are widened to whole windows. */
const WINDOW_BYTES = 1024 * 1024;
/** Zeros are left out of the hash in this unit, so that holes count like zeros and cost nothing. */
const BLOCK_BYTES = 4096;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export interface DigestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that were read since the last call. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * SHA-256 of those blocks of a file that are not zeros, with their places: the same for equal contents, wherever there
 * are holes.
 *
 * @param ranges where there is data, in order and within `size`
 */
export async function digestFile(
  place: Buffer,
  size: number,
  ranges: readonly DataRange[],
  { signal, onBytes }: DigestOptions = {},
): Promise<string> {
  const hash = createHash('sha256');
  if (ranges.length === 0) return hash.digest('hex');
  const file = await open(place, 'r');
  try {
    // Most files are small: a whole window for each would cost more than to read them.
    const window = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, size));
    for (const start of windowsOf(ranges)) {
      signal?.throwIfAborted();
      const bytes = await fillWindow(file, window.subarray(0, Math.min(WINDOW_BYTES, size - start)), start);
      hashBlocks(hash, start, bytes);
      onBytes?.(bytes.length);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** The beginnings of the windows that these ranges touch, each once. */
function* windowsOf(ranges: readonly DataRange[]): Generator<number> {
  let next = 0;
  for (const { start, end } of ranges) {
    const first = Math.max(next, Math.floor(start / WINDOW_BYTES) * WINDOW_BYTES);
    for (let window = first; window < end; window += WINDOW_BYTES) {
      yield window;
      next = window + WINDOW_BYTES;
    }
  }
}

async function fillWindow(file: FileHandle, target: Buffer, offset: number): Promise<Buffer> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return target.subarray(0, done);
}

/** Each run of blocks that are not zeros goes in with its place and length. Runs end with their window. */
function hashBlocks(hash: Hash, offset: number, bytes: Buffer): void {
  let start = 0;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && !isZeroBlock(bytes, end)) end += BLOCK_BYTES;
    if (end > start) {
      const run = bytes.subarray(start, end);
      hash.update(`${offset + start}+${run.length}:`);
      hash.update(run);
    }
    start = end + BLOCK_BYTES;
  }
}

function isZeroBlock(bytes: Buffer, start: number): boolean {
  const block = bytes.subarray(start, start + BLOCK_BYTES);
  return ZEROS.compare(block, 0, block.length, 0, block.length) === 0;
}

import type { FileHandle } from 'node:fs/promises';
import {
  fill,
  isZero,
  sectorSizeOfDevice,
  sizeOfDevice,
  withDevice,
  writeAt,
  writeNonZero,
} from './block-device.ts';
import type { Signature } from './blkid.ts';
import { type Destination, examineDestination, SUITABLE, type Suitability, tooSmall } from './destination.ts';
import { FileSystemError } from './errors.ts';
import type { CopyContext, FileSystem } from './file-system.ts';
import { throttled } from './progress.ts';
import { verifySectors } from './verify-sectors.ts';
import { zeroRange } from './zero-range.ts';

const PIECE_BYTES = 1024 * 1024;
/** Pieces under way at once: hides the network's latency, and fits libuv's four threads. */
const PARALLEL_PIECES = 4;
/** Runs of zeros are left out in this unit: the cluster size of qcow2. */
const HOLE_BYTES = 64 * 1024;

/**
 * A partition whose every sector is copied, because nobody here understands its contents.
 *
 * @param reason why nothing better is possible: a sentence
 */
export async function sectorsFileSystem(
  device: string,
  { type, uuid, label }: Signature,
  reason: string,
): Promise<FileSystem> {
  const size = await sizeOfDevice(device);
  const sectorBytes = await sectorSizeOfDevice(device);
  const suitability = (destination: Destination): Suitability => {
    if (destination.bytes < size) return tooSmall(type, size, destination);
    return sectorBytes === destination.sectorBytes ? SUITABLE : otherSectors(type, sectorBytes, destination);
  };
  return {
    type,
    uuid,
    label,
    size,
    usedBytes: size,
    smallestBytes: size,
    how: 'sectors',
    notes: [reason],
    suitability,
    create: async (destination) => void (await examineDestination(destination, suitability)),
    copy: copySectors,
    verify: verifySectors,
  };
}

/** Smaller sectors can be read in larger units, larger ones not in smaller. What is unknown may be nothing at all. */
function otherSectors(type: string, sectorBytes: number, destination: Destination): Suitability {
  const sentence = `it is copied sector by sector, and made for sectors of ${sectorBytes} bytes; the destination has ${destination.sectorBytes}`;
  if (type !== 'unknown' && destination.sectorBytes > sectorBytes) return { obstacle: sentence, changes: [] };
  return { changes: [`${sentence}: it may not be readable there`] };
}

/**
 * Copies a device sector by sector. Zeros are read but not written where the destination reads as zeros, which keeps
 * its holes; on a destination with old data, long runs of them are zeroed in one go.
 *
 * @throws {FileSystemError} `READ_FAILED` with the place on the device, `DESTINATION_FULL`
 */
export async function copySectors(source: string, destination: string, context: CopyContext): Promise<void> {
  const size = await sizeOfDevice(source);
  const room = await sizeOfDevice(destination);
  if (room < size) {
    const message = `${destination} has ${room} bytes, the partition to copy has ${size}`;
    throw new FileSystemError('DESTINATION_FULL', message);
  }
  await withDevice(source, 'read', (from) =>
    withDevice(destination, 'write', async (to) => {
      const zeros = await copyPieces(from, to, size, context);
      // They are holes already where the destination reads as zeros.
      if (!context.zeroed) await zeroPieces(to, destination, zeros, size, context);
    }),
  );
  context.onProgress(size);
}

/** Returns where the pieces that are all zeros begin, which are not written. */
async function copyPieces(
  from: FileHandle,
  to: FileHandle,
  size: number,
  context: CopyContext,
): Promise<number[]> {
  const { signal, zeroed } = context;
  const zeros: number[] = [];
  const report = throttled(context.onProgress);
  const state = { next: 0, done: 0, failed: false };
  const copyOnePieceAfterAnother = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    while (state.next < size && !state.failed) {
      signal?.throwIfAborted();
      const offset = state.next;
      const piece = buffer.subarray(0, Math.min(PIECE_BYTES, size - offset));
      state.next += piece.length;
      await fill(from, offset, piece);
      if (isZero(piece)) zeros.push(offset);
      else if (zeroed) await writeNonZero(to, offset, piece, HOLE_BYTES);
      else await writeAt(to, offset, piece);
      state.done += piece.length;
      report(state.done);
    }
  };
  const workers = Array.from({ length: PARALLEL_PIECES }, () =>
    copyOnePieceAfterAnother().catch((error: unknown) => {
      state.failed = true;
      throw error;
    }),
  );
  // All must have ended before the devices are closed, also when one fails.
  const results = await Promise.allSettled(workers);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return zeros;
}

/** From so many pieces on, a program is started that zeroes them in one go. */
const LONG_RUN = 16;
const ZEROS = Buffer.alloc(PIECE_BYTES);

async function zeroPieces(
  to: FileHandle,
  destination: string,
  pieces: readonly number[],
  size: number,
  { signal }: CopyContext,
): Promise<void> {
  const sorted = pieces.toSorted((a, b) => a - b);
  for (let first = 0; first < sorted.length; ) {
    signal?.throwIfAborted();
    const start = sorted[first] ?? 0;
    let count = 1;
    while (sorted[first + count] === start + count * PIECE_BYTES) count++;
    const end = Math.min(start + count * PIECE_BYTES, size);
    if (count >= LONG_RUN) {
      await zeroRange(destination, start, end - start, { signal });
    } else {
      for (let offset = start; offset < end; offset += PIECE_BYTES) {
        await writeAt(to, offset, ZEROS.subarray(0, Math.min(PIECE_BYTES, end - offset)));
      }
    }
    first += count;
  }
}

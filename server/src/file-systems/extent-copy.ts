import type { FileHandle } from 'node:fs/promises';
import { fill, writeAt, writeNonZero } from './block-device.ts';
import type { CopyContext } from './file-system.ts';
import { throttled } from './progress.ts';

/** Some bytes and where they go. All numbers are bytes. */
export interface ExtentMove {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

const PIECE_BYTES = 1024 * 1024;
/** Pieces under way at once: hides the network's latency, and fits libuv's four threads. */
const PARALLEL_PIECES = 4;

/**
 * Copies extents between two devices, many pieces under way, in the order in which they come. Zeros are not written
 * where the destination reads as zeros.
 */
export async function copyExtents(
  from: FileHandle,
  to: FileHandle,
  moves: Iterable<ExtentMove>,
  { signal, onProgress, zeroed }: CopyContext,
): Promise<void> {
  const report = throttled(onProgress);
  const pieces = cut(moves);
  const state = { done: 0, failed: false };
  const work = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      signal?.throwIfAborted();
      const next = state.failed ? undefined : pieces.next();
      if (next === undefined || next.done === true) return;
      const { from: source, to: target, length } = next.value;
      const data = buffer.subarray(0, length);
      await fill(from, source, data);
      await (zeroed ? writeNonZero(to, target, data) : writeAt(to, target, data));
      state.done += length;
      report(state.done);
    }
  };
  const workers = Array.from({ length: PARALLEL_PIECES }, () =>
    work().catch((error: unknown) => {
      state.failed = true;
      throw error;
    }),
  );
  // All must have ended before the devices are closed, also when one fails.
  const failure = (await Promise.allSettled(workers)).find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function* cut(moves: Iterable<ExtentMove>): Generator<ExtentMove> {
  for (const { from, to, length } of moves) {
    for (let done = 0; done < length; done += PIECE_BYTES) {
      yield { from: from + done, to: to + done, length: Math.min(PIECE_BYTES, length - done) };
    }
  }
}

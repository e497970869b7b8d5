import type { Disk } from '@diskferry/protocol/disk';
import type { CopyPiece } from '../simulated-disk.ts';
import { ZERO_UNIT_BYTES } from './data-runs.ts';

/** The longest unit of data, in bytes: what the NBD server reads and writes at once. */
export const UNIT_BYTES = 1024 * 1024;
/** How far ahead a disk is asked for its holes, in bytes. */
const EXTENTS_WINDOW_BYTES = 1024 * 1024 * 1024;

/** Bytes that are copied at once, or known to be zeros. */
export interface CopyUnit extends CopyPiece {
  readonly isZero: boolean;
}

/** Cuts pieces into units: data up to {@link UNIT_BYTES} that end at whole units of the destination, zeros of any length. */
export async function* copyUnits(
  source: Pick<Disk, 'extents'>,
  pieces: readonly CopyPiece[],
): AsyncGenerator<CopyUnit> {
  for (const { start, size, to } of pieces) {
    for (let done = 0; done < size; ) {
      const window = Math.min(EXTENTS_WINDOW_BYTES, size - done);
      const runs = await runsOf(source, start + done, window);
      for (const run of runs) {
        yield* cut({ start: start + done, size: run.length, to: to + done, isZero: run.isZero });
        done += run.length;
      }
    }
  }
}

interface Run {
  readonly length: number;
  readonly isZero: boolean;
}

/** What is known of a range, or of its beginning. Short holes count as data: more requests would cost more than they save. */
async function runsOf(source: Pick<Disk, 'extents'>, start: number, length: number): Promise<readonly Run[]> {
  if (source.extents === undefined || length <= ZERO_UNIT_BYTES) return [{ length, isZero: false }];
  const runs: { length: number; isZero: boolean }[] = [];
  for (const extent of await source.extents(start, length)) {
    const isZero = extent.zero && extent.length >= ZERO_UNIT_BYTES;
    const last = runs.at(-1);
    if (last?.isZero === isZero) last.length += extent.length;
    else runs.push({ length: extent.length, isZero });
  }
  return runs;
}

function* cut(run: CopyUnit): Generator<CopyUnit> {
  if (run.isZero) {
    yield run;
    return;
  }
  for (let done = 0; done < run.size; ) {
    const to = run.to + done;
    const size = Math.min(run.size - done, UNIT_BYTES - (to % UNIT_BYTES));
    yield { start: run.start + done, size, to, isZero: false };
    done += size;
  }
}

import type { Disk } from '@diskferry/protocol/disk';
import type { CopyPiece } from '../simulated-disk.ts';
import { copyUnits, type CopyUnit, UNIT_BYTES } from './copy-units.ts';
import { dataRuns } from './data-runs.ts';
import { zeroRange } from './zero-range.ts';

/** Units under way: some are read while others are written. Each takes up to 1 MiB of memory. */
const UNITS_IN_FLIGHT = 16;

export interface CopyPiecesOptions {
  /** The destination reads as zeros where the pieces go. */
  readonly zeroed: boolean;
  readonly signal: AbortSignal;
  /** Called for each unit with how many more bytes of the pieces are done. */
  readonly onDone: (bytes: number) => void;
}

/**
 * Copies pieces of one disk to places of another one. The first failure ends it; then nothing is under way any more.
 *
 * @throws what the disks throw; the reason of the signal
 */
export async function copyPieces(
  source: Pick<Disk, 'read' | 'extents'>,
  destination: Pick<Disk, 'write' | 'writeZeroes'>,
  pieces: readonly CopyPiece[],
  { zeroed, signal, onDone }: CopyPiecesOptions,
): Promise<void> {
  const units = copyUnits(source, pieces);
  const failed = new AbortController();

  async function copyData({ start, size, to }: CopyUnit, buffer: Buffer): Promise<void> {
    const bytes = buffer.subarray(0, size);
    await source.read(start, bytes);
    signal.throwIfAborted();
    const runs = dataRuns(bytes, to);
    if (runs.length === 0 && !zeroed) {
      await destination.writeZeroes(to, size, { mayPunch: true });
    } else if (zeroed) {
      await Promise.all(
        runs.map((run) => destination.write(to + run.start, bytes.subarray(run.start, run.end))),
      );
    } else {
      await destination.write(to, bytes);
    }
  }

  async function work(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(UNIT_BYTES);
    while (!failed.signal.aborted) {
      signal.throwIfAborted();
      const { value: unit } = await units.next();
      if (unit === undefined) return;
      if (!unit.isZero) await copyData(unit, buffer);
      else if (!zeroed) await zeroRange(destination, { start: unit.to, size: unit.size }, signal);
      onDone(unit.size);
    }
  }

  const workers = Array.from({ length: UNITS_IN_FLIGHT }, () =>
    work().catch((error: unknown) => {
      // Only the first reason counts: the others follow from it.
      failed.abort(error);
    }),
  );
  await Promise.all(workers);
  failed.signal.throwIfAborted();
}

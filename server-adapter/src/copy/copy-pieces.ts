import type { Disk } from '@diskferry/protocol/disk';
import { BufferPool } from '../buffer-pool.ts';
import type { CopyPiece } from '../simulated-disk.ts';
import { ByteGate } from './byte-gate.ts';
import { copyUnits, type CopyUnit, UNIT_BYTES } from './copy-units.ts';
import { dataRuns } from './data-runs.ts';
import { zeroRange } from './zero-range.ts';

/** Units under way, of which some are read while others are written: many, as they may be short. */
const UNITS_IN_FLIGHT = 32;
/**
 * Their bytes. A client serves 4 MiB at a time, and a file that is written by more threads is written no faster: they wait
 * for each other in the kernel.
 */
const BYTES_IN_FLIGHT = 8 * 1024 * 1024;
/** Shorter units are not worth a buffer of full size. */
const SHORT_BYTES = 64 * 1024;

export interface CopyPiecesOptions {
  /** The destination reads as zeros where the pieces go. */
  readonly zeroed: boolean;
  readonly signal: AbortSignal;
  /** Called for each unit with how many more bytes of the pieces are done. */
  readonly onDone: (bytes: number) => void;
}

/**
 * Copies pieces of one disk to places of another one. The first failure ends it; nothing is under way then.
 * The signal must end the destination, too.
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
  const gate = new ByteGate(BYTES_IN_FLIGHT);
  const buffers = new BufferPool(UNIT_BYTES);

  async function copyThroughBuffer(unit: CopyUnit): Promise<void> {
    if (unit.size <= SHORT_BYTES) return copyData(unit, Buffer.allocUnsafeSlow(unit.size));
    const buffer = buffers.take();
    // After a failure it may still be filled or sent.
    await copyData(unit, buffer);
    buffers.give(buffer);
  }

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
    while (!failed.signal.aborted) {
      signal.throwIfAborted();
      const { value: unit } = await units.next();
      if (unit === undefined) return;
      if (!unit.isZero) await gate.run(unit.size, () => copyThroughBuffer(unit));
      else if (!zeroed) await zeroRange(destination, { start: unit.to, size: unit.size }, { signal });
      onDone(unit.size);
    }
  }

  const workers = Array.from({ length: UNITS_IN_FLIGHT }, () =>
    work().catch((error: unknown) => {
      // Only the first reason counts: the others follow from it.
      failed.abort(error);
    }),
  );
  // Whoever gives up does not wait for a source that is lost; `destination` is ended by the same signal.
  await Promise.race([Promise.all(workers), abortOf(signal)]);
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

function abortOf(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}

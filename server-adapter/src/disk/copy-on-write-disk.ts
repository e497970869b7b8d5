import type { Disk, Extent, WriteZeroesOptions } from '@diskferry/protocol/disk';
import type { ByteRange } from '../partitions/readable-disk.ts';
import { GranuleMap, type GranuleRun, GranuleState } from './granule-map.ts';
import type { LendingDisk } from './lending-disk.ts';
import { RangeLock } from './range-lock.ts';
import type { ScratchFile } from './scratch-file.ts';

/** The page of every file system driver, so that most writes are whole granules. */
const MIN_GRANULE_BYTES = 4096;

export interface CopyOnWriteDisk extends LendingDisk {
  /** Bytes written to the layer since it was opened; a byte written twice counts twice. */
  readonly layerBytesWritten: number;
  /** The granules that lie wholly in a range and were discarded, as ranges in bytes that do not touch each other. */
  discarded(range: ByteRange): ByteRange[];
  /** The same bytes, to be read only; those that were never changed come from another view of the disk below. */
  readThrough(below: Disk): Pick<Disk, 'read' | 'extents'>;
}

export interface LayerOptions {
  /** Called when a write to the layer failed: its disk is full, for example. */
  readonly onFailure: (error: Error) => void;
}

/**
 * A writable disk over one that is only read: what is written, discarded or zeroed stays in the layer and is thrown
 * away with it. `below` is closed with it, and never written, discarded or flushed.
 */
export function copyOnWrite(
  below: LendingDisk,
  layer: ScratchFile,
  { onFailure }: LayerOptions,
): CopyOnWriteDisk {
  // Filling a granule reads it whole, so it must be whole sectors of the disk below.
  const granuleBytes = Math.max(MIN_GRANULE_BYTES, below.sectorSize.logical);
  const map = new GranuleMap();
  const lock = new RangeLock();
  let layerBytesWritten = 0;

  const read = (offset: number, target: Uint8Array): Promise<void> => readOver(below, offset, target);

  async function readOver(below: Disk, offset: number, target: Uint8Array): Promise<void> {
    const end = offset + target.length;
    const runs = runsOf(offset, target.length);
    const [run] = runs;
    if (run !== undefined && runs.length === 1) return readRun(below, run, offset, target);
    const results = await Promise.allSettled(
      runs.map((run) => {
        const start = Math.max(offset, run.first * granuleBytes);
        const stop = Math.min(end, run.end * granuleBytes);
        return readRun(below, run, start, target.subarray(start - offset, stop - offset));
      }),
    );
    // Only now: after a failure the caller uses `target` for something else.
    const failure = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    if (failure !== undefined) throw failure.reason;
  }

  function lazyRunsOf(offset: number, length: number): Generator<GranuleRun> {
    return map.runs(Math.floor(offset / granuleBytes), Math.ceil((offset + length) / granuleBytes));
  }

  const runsOf = (offset: number, length: number): GranuleRun[] => [...lazyRunsOf(offset, length)];

  function lend(
    offset: number,
    length: number,
    use: (parts: readonly Uint8Array[]) => void,
  ): Promise<boolean> | undefined {
    const isUnchanged = runsOf(offset, length).every(({ state }) => state === GranuleState.Below);
    return isUnchanged ? below.lend?.(offset, length, use) : undefined;
  }

  async function extentsOver(below: Disk, offset: number, length: number): Promise<Extent[]> {
    const known: Extent[] = [];
    // Not all runs at once: a disk may have a million behind the first one.
    for (const { first, end, state } of lazyRunsOf(offset, length)) {
      const start = Math.max(offset, first * granuleBytes);
      const runLength = Math.min(offset + length, end * granuleBytes) - start;
      if (state === GranuleState.Below && below.extents !== undefined) {
        known.push(...(await below.extents(start, runLength)));
        // The disk below may tell less than was asked, and what follows must join on.
        return known;
      }
      const isZero = state === GranuleState.Zero || state === GranuleState.Discarded;
      known.push({ length: runLength, hole: isZero, zero: isZero });
    }
    return known;
  }

  async function readRun(
    below: Disk,
    { state }: GranuleRun,
    offset: number,
    target: Uint8Array,
  ): Promise<void> {
    switch (state) {
      case GranuleState.Below:
        return below.read(offset, target);
      case GranuleState.Layer:
        return layer.read(offset, target);
      case GranuleState.Zero:
      case GranuleState.Discarded:
        target.fill(0);
    }
  }

  /** The granules that a range touches; the last one of the disk may be short. */
  function cover(
    offset: number,
    length: number,
  ): { first: number; end: number; start: number; stop: number } {
    const first = Math.floor(offset / granuleBytes);
    const end = Math.ceil((offset + length) / granuleBytes);
    return { first, end, start: first * granuleBytes, stop: Math.min(below.size, end * granuleBytes) };
  }

  /** The granules that lie wholly in a range. */
  function inner(offset: number, length: number): { first: number; end: number } {
    const stop = offset + length;
    const first = Math.ceil(offset / granuleBytes);
    const end = stop === below.size ? Math.ceil(stop / granuleBytes) : Math.floor(stop / granuleBytes);
    return { first, end: Math.max(first, end) };
  }

  function discarded({ start, size }: ByteRange): ByteRange[] {
    const { first, end } = inner(start, size);
    return [...map.runs(first, end)]
      .filter(({ state }) => state === GranuleState.Discarded)
      .map((run) => {
        const runStart = run.first * granuleBytes;
        return { start: runStart, size: Math.min(below.size, run.end * granuleBytes) - runStart };
      });
  }

  /** Changes of one granule wait for each other: filling it from below must not undo another write. */
  function exclusively(offset: number, length: number, work: () => Promise<void>): Promise<void> {
    const { first, end } = cover(offset, length);
    return lock.run(first, end, work);
  }

  async function write(offset: number, data: Uint8Array): Promise<void> {
    if (data.length === 0) return;
    const { first, end, start, stop } = cover(offset, data.length);
    if (stop - start === data.length) {
      await writeLayer(start, data);
    } else {
      const whole = Buffer.allocUnsafe(stop - start);
      const headEnd = Math.min(stop, start + granuleBytes);
      const tailStart = (end - 1) * granuleBytes;
      if (offset > start) await read(start, whole.subarray(0, headEnd - start));
      const tailIsFilled = offset > start && tailStart === start;
      if (offset + data.length < stop && !tailIsFilled)
        await read(tailStart, whole.subarray(tailStart - start));
      whole.set(data, offset - start);
      await writeLayer(start, whole);
    }
    map.set(first, end, GranuleState.Layer);
  }

  async function writeLayer(offset: number, data: Uint8Array): Promise<void> {
    try {
      await layer.write(offset, data);
    } catch (error) {
      onFailure(error as Error);
      throw error;
    }
    layerBytesWritten += data.length;
  }

  async function zero(
    offset: number,
    length: number,
    { mayPunch = false }: WriteZeroesOptions = {},
  ): Promise<void> {
    const { first, end } = inner(offset, length);
    if (first === end) return write(offset, new Uint8Array(length));
    const start = first * granuleBytes;
    const stop = Math.min(below.size, end * granuleBytes);
    await write(offset, new Uint8Array(start - offset));
    map.set(first, end, mayPunch ? GranuleState.Discarded : GranuleState.Zero);
    await write(stop, new Uint8Array(offset + length - stop));
  }

  return {
    size: below.size,
    sectorSize: below.sectorSize,
    readOnly: false,
    get layerBytesWritten() {
      return layerBytesWritten;
    },
    read,
    lend,
    extents: (offset, length) => extentsOver(below, offset, length),
    discarded,
    readThrough: (below) => ({
      read: (offset, target) => readOver(below, offset, target),
      extents: (offset, length) => extentsOver(below, offset, length),
    }),
    write: (offset, data) => exclusively(offset, data.length, () => write(offset, data)),
    // The layer is thrown away with the process: nothing to bring to stable storage.
    flush: async () => {},
    discard: (offset, length) =>
      exclusively(offset, length, async () => {
        const { first, end } = inner(offset, length);
        map.set(first, end, GranuleState.Discarded);
      }),
    writeZeroes: (offset, length, options) =>
      exclusively(offset, length, () => zero(offset, length, options)),
    async close() {
      await layer.close();
      await below.close();
    },
  };
}

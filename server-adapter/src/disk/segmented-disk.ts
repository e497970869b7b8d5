import type { Disk, Extent } from '@diskferry/protocol/disk';
import { DiskferryError } from '@diskferry/system/errors';
import type { ByteRange } from '../partitions/readable-disk.ts';

/** A segment and where it lies in the disk that is made of them, in bytes. */
interface PlacedSegment extends ByteRange {
  readonly at: number;
}

/** A part of a request that lies in one segment. */
interface Part {
  /** Where it begins on the disk below. */
  readonly start: number;
  readonly length: number;
  /** Where it begins in the request. */
  readonly from: number;
}

/** The disk itself, or that of its segments if there are any. */
export function segmentsOf(below: Disk, segments: readonly ByteRange[] | undefined): Disk {
  return segments === undefined ? below : segmentedDisk(below, segments);
}

/**
 * The disk that is made of parts of another one, one behind the other: a logical volume on its physical volume, for
 * example. It takes the disk below over.
 *
 * @throws {DiskferryError} `DEVICE_SEGMENTS` when a segment is empty, no whole sectors, or outside the disk
 */
export function segmentedDisk(below: Disk, segments: readonly ByteRange[]): Disk {
  const placed = place(below, segments);
  const size = placed.reduce((sum, segment) => sum + segment.size, 0);

  /** The index of the segment that holds a byte. */
  function segmentAt(offset: number): number {
    let low = 0;
    let high = placed.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((placed[middle]?.at ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function partsOf(offset: number, length: number): Part[] {
    const parts: Part[] = [];
    for (let from = 0, index = segmentAt(offset); from < length; index++) {
      const segment = placed[index];
      if (segment === undefined)
        throw new RangeError(`${length} bytes at ${offset} lie outside the segments`);
      const inside = offset + from - segment.at;
      const part = {
        start: segment.start + inside,
        length: Math.min(length - from, segment.size - inside),
        from,
      };
      parts.push(part);
      from += part.length;
    }
    return parts;
  }

  /** Returns when all are done, also after a failure: the caller uses its buffer for something else then. */
  async function each(offset: number, length: number, work: (part: Part) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(partsOf(offset, length).map(work));
    const failure = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined;
    if (failure !== undefined) throw failure.reason;
  }

  return {
    size,
    sectorSize: below.sectorSize,
    readOnly: below.readOnly,
    read: (offset, target) =>
      each(offset, target.length, ({ start, length, from }) =>
        below.read(start, target.subarray(from, from + length)),
      ),
    write: (offset, data, options) =>
      each(offset, data.length, ({ start, length, from }) =>
        below.write(start, data.subarray(from, from + length), options),
      ),
    flush: () => below.flush(),
    discard: (offset, length) => each(offset, length, ({ start, length }) => below.discard(start, length)),
    writeZeroes: (offset, length, options) =>
      each(offset, length, ({ start, length }) => below.writeZeroes(start, length, options)),
    ...(below.extents === undefined
      ? {}
      : {
          // Of the first segment only: a disk may tell less than it is asked for.
          extents: async (offset: number, length: number): Promise<readonly Extent[]> => {
            const segment = placed[segmentAt(offset)] as PlacedSegment;
            const inside = offset - segment.at;
            const known = await below.extents?.(
              segment.start + inside,
              Math.min(length, segment.size - inside),
            );
            return known ?? [];
          },
        }),
    close: () => below.close(),
  };
}

function place(below: Disk, segments: readonly ByteRange[]): PlacedSegment[] {
  const { logical } = below.sectorSize;
  let at = 0;
  return segments.map(({ start, size }) => {
    const isWhole = start % logical === 0 && size % logical === 0;
    if (!isWhole || start < 0 || size <= 0 || start + size > below.size) {
      throw new DiskferryError(
        'DEVICE_SEGMENTS',
        `the segment of ${size} bytes at ${start} is no part of a disk of ${below.size} bytes with sectors of ${logical} bytes`,
      );
    }
    const placed = { start, size, at };
    at += size;
    return placed;
  });
}

import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { FileSystemError } from '../file-systems/errors.ts';
import type { LogicalVolume, StripedSegment, VolumeGroup } from './volume-group.ts';

/** A volume of thin stripes would have more pieces than anybody can handle. */
const MAX_RANGES = 1_000_000;

/**
 * The pieces of the device whose contents, one after another, are the contents of the volume.
 *
 * @throws {FileSystemError} `UNSUITABLE` when there are too many
 */
export function rangesOfVolume(group: VolumeGroup, { name, segments }: LogicalVolume): ByteRange[] {
  const expected = segments.reduce((sum, segment) => sum + countOf(segment, group.extentBytes), 0);
  if (expected > MAX_RANGES) {
    throw new FileSystemError('UNSUITABLE', `the volume ${name} has ${expected} stripes, which are too many`);
  }
  return joinRanges(segments.map((segment) => rangesOfSegment(segment, group)));
}

function countOf({ extentCount, stripeBytes }: StripedSegment, extentBytes: number): number {
  return stripeBytes === 0 ? 1 : (extentCount * extentBytes) / stripeBytes;
}

function rangesOfSegment(segment: StripedSegment, group: VolumeGroup): ByteRange[] {
  const { places, stripeBytes, extentCount } = segment;
  const ranges: ByteRange[] = [];
  const bytesEach = (extentCount / places.length) * group.extentBytes;
  const piece = stripeBytes === 0 ? bytesEach : stripeBytes;
  for (let row = 0; row < bytesEach; row += piece) {
    for (const place of places) {
      ranges.push({ start: group.startBytes + place * group.extentBytes + row, size: piece });
    }
  }
  return ranges;
}

/**
 * One list of several, in which is one piece what lies together.
 *
 * @throws {FileSystemError} `UNSUITABLE` when there are too many pieces
 */
export function joinRanges(lists: readonly (readonly ByteRange[])[]): ByteRange[] {
  const joined: ByteRange[] = [];
  for (const range of lists.flat()) {
    const last = joined.at(-1);
    if (last !== undefined && last.start + last.size === range.start) {
      joined[joined.length - 1] = { start: last.start, size: last.size + range.size };
    } else {
      joined.push(range);
    }
  }
  if (joined.length > MAX_RANGES) {
    throw new FileSystemError('UNSUITABLE', `it lies in ${joined.length} pieces, which are too many`);
  }
  return joined;
}

/** The bytes of all pieces. */
export function sumOfRanges(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { size }) => sum + size, 0);
}

/**
 * Finds the pieces of a part of what `ranges` are the pieces of.
 *
 * @returns a function that throws {FileSystemError} `DAMAGED` for a part that lies outside
 */
export function slicerOf(ranges: readonly ByteRange[]): (offset: number, length: number) => ByteRange[] {
  const ends: number[] = [];
  for (const { size } of ranges) ends.push((ends.at(-1) ?? 0) + size);
  return (offset, length) => {
    const total = ends.at(-1) ?? 0;
    if (offset < 0 || offset + length > total) {
      throw new FileSystemError(
        'DAMAGED',
        `${length} bytes at byte ${offset} lie outside a volume of ${total}`,
      );
    }
    const slice: ByteRange[] = [];
    for (let index = firstAfter(ends, offset), from = offset; from < offset + length; index++) {
      const { start, size } = ranges[index] as ByteRange;
      const inside = from - ((ends[index] ?? 0) - size);
      const taken = Math.min(size - inside, offset + length - from);
      slice.push({ start: start + inside, size: taken });
      from += taken;
    }
    return slice;
  };
}

/** The index of the first of ascending numbers that is larger. */
function firstAfter(numbers: readonly number[], value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((numbers[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

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
  const ranges: ByteRange[] = [];
  const expected = segments.reduce((sum, segment) => sum + countOf(segment, group.extentBytes), 0);
  if (expected > MAX_RANGES) {
    throw new FileSystemError('UNSUITABLE', `the volume ${name} has ${expected} stripes, which are too many`);
  }
  for (const segment of segments) addSegment(ranges, segment, group);
  return ranges;
}

function countOf({ extentCount, stripeBytes }: StripedSegment, extentBytes: number): number {
  return stripeBytes === 0 ? 1 : (extentCount * extentBytes) / stripeBytes;
}

function addSegment(ranges: ByteRange[], segment: StripedSegment, group: VolumeGroup): void {
  const { places, stripeBytes, extentCount } = segment;
  const bytesEach = (extentCount / places.length) * group.extentBytes;
  const piece = stripeBytes === 0 ? bytesEach : stripeBytes;
  for (let row = 0; row < bytesEach; row += piece) {
    for (const place of places) {
      add(ranges, { start: group.startBytes + place * group.extentBytes + row, size: piece });
    }
  }
}

/** Joins what lies together. */
function add(ranges: ByteRange[], range: ByteRange): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.start + last.size === range.start) {
    ranges[ranges.length - 1] = { start: last.start, size: last.size + range.size };
  } else {
    ranges.push(range);
  }
}

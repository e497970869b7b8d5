import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import { chooseSizes, type Sized } from './choose-sizes.ts';
import type { Layout, LayoutRequest, PlacedPartition } from './layout-request.ts';
import { ALIGNMENT_BYTES, endOfUsableSpace, startOfUsableSpace } from './usable-space.ts';

/** A partition with contents and the free space in front of it that goes with it, in bytes. */
interface Slot extends Sized {
  readonly gapBytes: number;
}

/**
 * Places the partitions of a disk on another one, which may be smaller, equal or larger and may have other sectors. Order,
 * numbers, types and identifiers stay. What need not move stays where it is; on a larger disk what follows the partition that
 * grows moves behind it; on a smaller one free space between partitions is given up first.
 *
 * @throws {LayoutError} with what each partition needs
 */
export function planLayout(request: LayoutRequest): Layout {
  const { table, destination, sourceBytes, sourceSectorBytes } = request;
  const end = endOfUsableSpace(table.kind, destination);
  const isSame = destination.bytes === sourceBytes && destination.sectorBytes === sourceSectorBytes;
  // The backup of a GPT that was an MBR may need what the last partition has.
  const hasRoom = table.partitions.every((partition) => partition.start + partition.size <= end);
  if (isSame && (hasRoom || table.kind !== 'gpt') && (request.wanted?.size ?? 0) === 0) {
    return { partitions: table.partitions.map((partition) => place(partition, partition)), unchanged: true };
  }
  const contents = table.partitions
    .filter(({ role }) => role !== 'extended')
    .toSorted((left, right) => left.start - right.start);
  const [first] = contents;
  if (first === undefined) return { partitions: [], unchanged: true };
  const start = firstStart(first, table.kind, destination.sectorBytes);
  const compact = end < lastEnd(contents);
  const slots = slotsOf(contents, request, { compact });
  return finish(table.partitions, fit(slots, start, end), request);
}

/** Chooses sizes and places; what alignment costs beyond the gaps is known only then, and taken off the room. */
function fit(slots: readonly Slot[], start: number, end: number): PlacedPartition[] {
  let room = end - start - slots.reduce((total, { gapBytes }) => total + gapBytes, 0);
  for (;;) {
    const placed = placeAll(slots, chooseSizes(slots, room, ALIGNMENT_BYTES), start);
    const last = placed.at(-1);
    const beyond = last === undefined ? 0 : last.start + last.size - end;
    if (beyond <= 0) return placed;
    room -= beyond;
  }
}

/** Where the first partition starts: where it did, so that a boot loader's gap in front of it stays as large. */
function firstStart({ start }: Partition, kind: PartitionTable['kind'], sectorBytes: number): number {
  const stays = start % sectorBytes === 0 && start >= startOfUsableSpace(kind, sectorBytes);
  return stays ? start : alignUp(start);
}

function slotsOf(
  contents: readonly Partition[],
  request: LayoutRequest,
  { compact }: { compact: boolean },
): Slot[] {
  const { needs, wanted, destination } = request;
  let previousEnd: number | undefined;
  return contents.map((partition) => {
    const had = previousEnd === undefined ? 0 : partition.start - previousEnd;
    previousEnd = partition.start + partition.size;
    const volume = needs.get(partition.number);
    if (volume === undefined) throw new TypeError(`nothing is known of partition ${partition.number}`);
    // A logical partition has a boot record in front of it, in an alignment unit of its own.
    const least = partition.role === 'logical' && had > 0 ? ALIGNMENT_BYTES : 0;
    const isWhole = had % destination.sectorBytes === 0;
    const gapBytes = compact || !isWhole ? least : had;
    return { partition, needs: volume, wanted: wanted?.get(partition.number), gapBytes };
  });
}

function placeAll(slots: readonly Slot[], sizes: readonly number[], start: number): PlacedPartition[] {
  let position = start;
  return slots.map(({ partition, gapBytes }, index) => {
    const size = sizes[index] ?? 0;
    const wish = position + gapBytes;
    const begin = index === 0 || wish === partition.start ? wish : alignUp(wish);
    position = begin + size;
    return place(partition, { start: begin, size });
  });
}

function place(
  partition: Partition,
  { start, size }: { readonly start: number; readonly size: number },
): PlacedPartition {
  return { ...partition, start, size, was: { start: partition.start, size: partition.size } };
}

function finish(
  original: readonly Partition[],
  placed: readonly PlacedPartition[],
  request: LayoutRequest,
): Layout {
  const logical = placed.filter(({ role }) => role === 'logical');
  const partitions = original.map((partition) => {
    const found = placed.find(({ number }) => number === partition.number);
    return found ?? container(partition, logical, request.destination.sectorBytes);
  });
  const unchanged = partitions.every(({ start, size, was }) => start === was.start && size === was.size);
  return { partitions, unchanged };
}

/** The extended partition: from the first logical one's boot record to the last one's end. */
function container(
  extended: Partition,
  logical: readonly PlacedPartition[],
  sectorBytes: number,
): PlacedPartition {
  const [first] = logical;
  const last = logical.at(-1);
  if (first === undefined || last === undefined) return place(extended, extended);
  const had = first.was.start - extended.start;
  const start = first.start - (had % sectorBytes === 0 && had > 0 ? had : ALIGNMENT_BYTES);
  return place(extended, { start, size: last.start + last.size - start });
}

function lastEnd(contents: readonly Partition[]): number {
  return Math.max(...contents.map(({ start, size }) => start + size));
}

function alignUp(value: number): number {
  return Math.ceil(value / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

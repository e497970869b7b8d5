import type { Partition } from '@diskferry/server-adapter/partitions/partition-table';
import { formatBytes } from '@diskferry/system/units';
import { LayoutError, type VolumeNeeds, type WantedSize } from './layout-request.ts';

/** A partition with contents, as sizes are chosen for it. */
export interface Sized {
  readonly partition: Partition;
  readonly needs: VolumeNeeds;
  readonly wanted: WantedSize | undefined;
}

/**
 * Chooses the sizes of all partitions, in bytes, so that together they take at most `room`. What is asked for is done; for the
 * rest, those that need not change keep their size, and the last growable one gets what is left over. On a smaller disk the
 * growable ones give up their free space, the last one first.
 *
 * @param room bytes for contents, without what lies between partitions
 * @param step sizes are multiples of it, but for those that are kept
 * @throws {LayoutError} with a line for each partition
 */
export function chooseSizes(volumes: readonly Sized[], room: number, step: number): number[] {
  const sizes = volumes.map((volume) => firstSize(volume, step));
  const taken = sum(sizes);
  const elastic = volumes
    .map((volume, index) => ({ volume, index }))
    .filter(({ volume }) => isElastic(volume));
  if (taken > room) shrink(sizes, elastic, { excess: taken - room, step });
  if (sum(sizes) > room) throw new LayoutError(explain(volumes, room, step));
  const growing = growingOne(elastic);
  const spare = room - sum(sizes);
  if (growing !== undefined) {
    const size = sizes[growing] ?? 0;
    sizes[growing] = size + floor(spare, step);
  }
  return sizes;
}

function firstSize({ partition, needs, wanted }: Sized, step: number): number {
  if (wanted === 'min') return ceil(needs.smallestBytes, step);
  if (typeof wanted !== 'number') return partition.size;
  if (wanted < needs.smallestBytes) {
    throw new LayoutError(
      `partition ${partition.number} cannot have ${formatBytes(wanted)}: ` +
        `its contents need at least ${formatBytes(needs.smallestBytes)}`,
    );
  }
  return ceil(wanted, step);
}

function isElastic({ needs, wanted }: Sized): boolean {
  return wanted === 'grow' || (wanted === undefined && needs.growable);
}

interface Elastic {
  readonly volume: Sized;
  readonly index: number;
}

function shrink(
  sizes: number[],
  elastic: readonly Elastic[],
  { excess, step }: { excess: number; step: number },
): void {
  let missing = excess;
  for (const { volume, index } of elastic.toReversed()) {
    const size = sizes[index] ?? 0;
    const least = Math.min(size, ceil(volume.needs.smallestBytes, step));
    const given = Math.min(ceil(missing, step), floor(size - least, step));
    sizes[index] = floor(size - given, step) >= least ? floor(size - given, step) : size - given;
    missing -= size - (sizes[index] ?? 0);
    if (missing <= 0) return;
  }
}

/** The one that was asked to grow, or else the last that may. */
function growingOne(elastic: readonly Elastic[]): number | undefined {
  return (elastic.findLast(({ volume }) => volume.wanted === 'grow') ?? elastic.at(-1))?.index;
}

function explain(volumes: readonly Sized[], room: number, step: number): string {
  const lines = volumes.map((volume) => {
    const { partition, needs } = volume;
    const least = isElastic(volume) ? ceil(needs.smallestBytes, step) : firstSize(volume, step);
    return { number: partition.number, least };
  });
  const total = sum(lines.map(({ least }) => least));
  return (
    `the disk is too small: its partitions need at least ${formatBytes(total)}, and there is room for ${formatBytes(room)}: ` +
    lines.map(({ number, least }) => `partition ${number} needs ${formatBytes(least)}`).join(', ')
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ceil(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function floor(value: number, step: number): number {
  return Math.floor(value / step) * step;
}

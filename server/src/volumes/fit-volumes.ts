import { formatBytes } from '@diskferry/system/units';
import { chooseSizes } from '../layout/choose-sizes.ts';
import type { VolumeNeeds } from '../layout/layout-request.ts';
import type { VolumeGroup } from './volume-group.ts';

/** How the volumes of a group fit on a device: the extents of each, by name, or why they do not. */
export type Fit =
  | {
      readonly extents: ReadonlyMap<string, number>;
      /** Extents of the physical volume. */
      readonly extentCount: number;
      /** All volumes stay as they are, at their places. */
      readonly unchanged: boolean;
    }
  | { readonly obstacle: string };

export interface FitRequest {
  readonly group: VolumeGroup;
  /** By volume. */
  readonly needs: ReadonlyMap<string, VolumeNeeds>;
  /** The device, in bytes. */
  readonly bytes: number;
  /** What lies on the device behind the extents, in bytes. */
  readonly tailBytes: number;
}

/**
 * Chooses the sizes of all volumes as `planLayout` does for partitions: on a larger device the last growable volume grows, and
 * free extents stay free; on a smaller one free extents are given up first, then the free space of growable volumes.
 */
export function fitVolumes({ group, needs, bytes, tailBytes }: FitRequest): Fit {
  const { extentBytes, volumes } = group;
  const extentCount = Math.max(0, Math.floor((bytes - group.startBytes - tailBytes) / extentBytes));
  const taken = volumes.reduce((sum, volume) => sum + volume.extentCount, 0);
  const needOf = (name: string): VolumeNeeds => {
    const need = needs.get(name);
    if (need === undefined) throw new TypeError(`nothing is known of the volume ${name}`);
    return need;
  };
  const least = volumes.map(({ name, extentCount }) => {
    const { smallestBytes, growable } = needOf(name);
    return growable ? Math.min(extentCount, Math.ceil(smallestBytes / extentBytes)) : extentCount;
  });
  if (least.reduce((sum, extents) => sum + extents, 0) > extentCount) {
    const lines = volumes.map(
      ({ name }, index) => `${name} needs ${formatBytes((least[index] ?? 0) * extentBytes)}`,
    );
    const room = formatBytes(extentCount * extentBytes);
    return {
      obstacle: `the volume group ${group.name} does not fit: there is room for ${room}, and ${lines.join(', ')}`,
    };
  }
  const free = group.extentCount - taken;
  const room = extentCount - free >= taken ? extentCount - free : Math.min(taken, extentCount);
  const sizes = chooseSizes(
    volumes.map(({ name, extentCount }, index) => ({
      partition: { number: index, start: 0, size: extentCount * extentBytes, type: '', role: 'gpt' as const },
      needs: needOf(name),
      wanted: undefined,
    })),
    room * extentBytes,
    extentBytes,
  );
  const extents = new Map(volumes.map(({ name }, index) => [name, (sizes[index] ?? 0) / extentBytes]));
  const isSameSize = volumes.every(({ name, extentCount }) => extents.get(name) === extentCount);
  return { extents, extentCount, unchanged: isSameSize && extentCount >= lastExtent(group) };
}

/** The end of the last extent that a volume takes. */
function lastExtent({ volumes }: VolumeGroup): number {
  const ends = volumes.flatMap(({ segments }) =>
    segments.flatMap(({ places, extentCount }) => places.map((place) => place + extentCount / places.length)),
  );
  return Math.max(0, ...ends);
}

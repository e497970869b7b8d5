import type { Fit } from './fit-volumes.ts';
import { formatLvmText, type LvmSection, sectionsIn } from './lvm-text.ts';
import {
  type LogicalVolume,
  LVM_SECTOR,
  parseVolumeGroup,
  segmentsOf,
  type VolumeGroup,
} from './volume-group.ts';

/**
 * The description of the same group on a device of another size: with all that it had, and its volumes as large as `fit` says.
 * Where they cannot stay as they are, they are packed from the first extent on, each in one piece; a striped one of unchanged
 * size stays striped.
 *
 * @param bytes of the device
 */
export function refitGroup(
  group: VolumeGroup,
  fit: Exclude<Fit, { obstacle: string }>,
  bytes: number,
): VolumeGroup {
  const top = group.text[group.name] as LvmSection;
  const [[physicalName, physical]] = sectionsIn(top, 'physical_volumes') as [[string, LvmSection]];
  const packer = new Packer(physicalName);
  const byName = new Map(group.volumes.map((volume) => [volume.name, volume]));
  const volumes = sectionsIn(top, 'logical_volumes').map(([name, volume]) => {
    const known = byName.get(name);
    if (fit.unchanged || known === undefined) return [name, volume] as const;
    return [name, packer.place(volume, known, fit.extents.get(name) ?? 0)] as const;
  });
  const changed: LvmSection = {
    ...top,
    physical_volumes: {
      [physicalName]: { ...physical, dev_size: Math.floor(bytes / LVM_SECTOR), pe_count: fit.extentCount },
    },
    ...(volumes.length === 0 ? {} : { logical_volumes: Object.fromEntries(volumes) }),
  };
  return parseVolumeGroup(formatLvmText({ ...group.text, [group.name]: changed }));
}

/** Gives extents out from the first one on. */
class Packer {
  readonly #physicalName: string;
  #next = 0;

  constructor(physicalName: string) {
    this.#physicalName = physicalName;
  }

  place(volume: LvmSection, { segments, extentCount }: LogicalVolume, wanted: number): LvmSection {
    const isLinear = segments.every(({ places }) => places.length === 1);
    const rest = Object.fromEntries(Object.entries(volume).filter(([name]) => !/^segment\d+$/.test(name)));
    if (isLinear || wanted !== extentCount) {
      const segment1 = {
        start_extent: 0,
        extent_count: wanted,
        type: 'striped',
        stripe_count: 1,
        stripes: this.#take(1, wanted),
      };
      return { ...rest, segment_count: 1, segment1 };
    }
    const placed = segmentsOf(volume).map((segment, index) => {
      const { extent_count: count, stripe_count: places } = segment as Record<string, number>;
      const stripes = this.#take(places ?? 1, (count ?? 0) / (places ?? 1));
      return [`segment${index + 1}`, { ...segment, stripes }] as const;
    });
    return { ...rest, ...Object.fromEntries(placed) };
  }

  #take(places: number, extentsEach: number): (number | string)[] {
    return Array.from({ length: places }, () => {
      const first = this.#next;
      this.#next += extentsEach;
      return [this.#physicalName, first];
    }).flat();
  }
}

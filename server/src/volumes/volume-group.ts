import { FileSystemError } from '../file-systems/errors.ts';
import {
  isSection,
  type LvmSection,
  listIn,
  numberIn,
  parseLvmText,
  sectionsIn,
  stringIn,
} from './lvm-text.ts';

/** LVM counts in sectors of 512 bytes, whatever the disk has (lib/format_text). */
export const LVM_SECTOR = 512;

/** Part of a volume that lies evenly over one or several places: extents are taken in turns from each, stripe by stripe. */
export interface StripedSegment {
  /** All counts are extents. */
  readonly startExtent: number;
  readonly extentCount: number;
  /** Bytes that are taken from one place before the next has its turn; 0 for a single place. */
  readonly stripeBytes: number;
  /** The first physical extent of each place. */
  readonly places: readonly number[];
}

/** A volume whose extents lie on the physical volume itself. */
export interface LogicalVolume {
  readonly name: string;
  readonly extentCount: number;
  readonly segments: readonly StripedSegment[];
  /**
   * Why its contents are no file system of their own: it is part of a volume of that kind, such as "thin-pool". It is
   * copied as it is and keeps its size.
   */
  readonly partOf?: string | undefined;
}

/** A volume group on one physical volume. */
export interface VolumeGroup {
  readonly name: string;
  readonly extentBytes: number;
  /** Where the first extent begins on the device, in bytes. */
  readonly startBytes: number;
  /** Extents of the physical volume, free ones too. */
  readonly extentCount: number;
  /** With their dashes. */
  readonly physicalVolumeUuid: string;
  /** In the order of the metadata. */
  readonly volumes: readonly LogicalVolume[];
  /** Volumes that are made of others, such as thin pools and their volumes, by name: their kind. */
  readonly composed: ReadonlyMap<string, string>;
  /** All that LVM says. */
  readonly text: LvmSection;
}

/**
 * Understands the description of a volume group.
 *
 * @throws {FileSystemError} `DAMAGED`; `SEVERAL_DEVICES` when the group has more than one physical volume
 */
export function parseVolumeGroup(metadata: string): VolumeGroup {
  const text = parseLvmText(metadata);
  const [entry] = Object.entries(text).filter(([, value]) => isSection(value));
  if (entry === undefined) throw new FileSystemError('DAMAGED', 'the metadata of LVM names no volume group');
  const [name, group] = entry as [string, LvmSection];
  const physicalVolumes = sectionsIn(group, 'physical_volumes');
  const [physicalVolume] = physicalVolumes;
  if (physicalVolume === undefined) {
    throw new FileSystemError('DAMAGED', `the volume group ${name} has no physical volume`);
  }
  if (physicalVolumes.length > 1) {
    throw new FileSystemError(
      'SEVERAL_DEVICES',
      `the volume group ${name} extends over ${physicalVolumes.length} devices`,
    );
  }
  const [physicalName, physical] = physicalVolume;
  const surroundings = {
    physicalName,
    extentSectors: numberIn(group, 'extent_size'),
    extentCount: numberIn(physical, 'pe_count'),
  };
  const all = sectionsIn(group, 'logical_volumes').map(([name, volume]) =>
    readVolume(name, volume, surroundings),
  );
  const composed = new Map(all.flatMap(({ name, kind }) => (kind === undefined ? [] : [[name, kind]])));
  const owners = new Map(all.flatMap(({ kind, uses }) => uses.map((used) => [used, kind] as const)));
  return {
    name,
    extentBytes: numberIn(group, 'extent_size') * LVM_SECTOR,
    startBytes: numberIn(physical, 'pe_start') * LVM_SECTOR,
    extentCount: surroundings.extentCount,
    physicalVolumeUuid: stringIn(physical, 'id'),
    volumes: all
      .filter(({ kind, segments }) => kind === undefined && segments.length > 0)
      .map(({ name, segments, isVisible }) => {
        const extentCount = segments.reduce((sum, segment) => sum + segment.extentCount, 0);
        const partOf = owners.get(name) ?? (isVisible ? undefined : 'hidden volume');
        return { name, extentCount, segments, partOf };
      }),
    composed,
    text,
  };
}

interface ReadVolume {
  readonly name: string;
  readonly segments: readonly StripedSegment[];
  /** What it is made by; undefined when it lies on the physical volume itself. */
  readonly kind: string | undefined;
  /** Other volumes that it names. */
  readonly uses: readonly string[];
  readonly isVisible: boolean;
}

interface Surroundings {
  readonly physicalName: string;
  readonly extentSectors: number;
  /** Of the physical volume. */
  readonly extentCount: number;
}

function readVolume(name: string, volume: LvmSection, surroundings: Surroundings): ReadVolume {
  const segments = segmentsOf(volume);
  const isVisible = listIn(volume, 'status').includes('VISIBLE');
  const other = segments.find((segment) => !isStriped(segment, surroundings));
  if (other !== undefined) {
    const uses = segments.flatMap((segment) => Object.values(segment).flat()).filter(isString);
    return { name, segments: [], kind: kindOf(other), uses, isVisible };
  }
  const striped = segments.map((segment): StripedSegment => {
    const places = listIn(segment, 'stripes').filter((value) => typeof value === 'number');
    const extentCount = numberIn(segment, 'extent_count');
    if (places.some((place) => place < 0 || place + extentCount / places.length > surroundings.extentCount)) {
      throw new FileSystemError('DAMAGED', `the volume ${name} lies outside its physical volume`);
    }
    return {
      startExtent: numberIn(segment, 'start_extent'),
      extentCount,
      stripeBytes: places.length === 1 ? 0 : numberIn(segment, 'stripe_size') * LVM_SECTOR,
      places,
    };
  });
  return {
    name,
    segments: striped.toSorted((left, right) => left.startExtent - right.startExtent),
    kind: undefined,
    uses: [],
    isVisible,
  };
}

/** The sections segment1, segment2 and so on. */
export function segmentsOf(volume: LvmSection): LvmSection[] {
  return Object.entries(volume)
    .filter(([name]) => /^segment\d+$/.test(name))
    .map(([, segment]) => segment)
    .filter(isSection);
}

/** What a segment is made by, without the flags that follow, as in "cache-pool+METADATA_FORMAT". */
export function kindOf(segment: LvmSection): string {
  return stringIn(segment, 'type').replace(/\+.*/, '');
}

/** Linear is striped with one stripe. Stripes may also lie on other volumes. */
function isStriped(segment: LvmSection, { physicalName, extentSectors }: Surroundings): boolean {
  if (stringIn(segment, 'type') !== 'striped') return false;
  const stripes = listIn(segment, 'stripes');
  const count = numberIn(segment, 'stripe_count');
  const names = stripes.filter((_, index) => index % 2 === 0);
  if (count < 1 || stripes.length !== count * 2 || numberIn(segment, 'extent_count') % count !== 0) {
    throw new FileSystemError('DAMAGED', 'the metadata of the volume group has a segment with wrong stripes');
  }
  if (count > 1) {
    const stripeSectors = numberIn(segment, 'stripe_size');
    if (stripeSectors === 0 || extentSectors % stripeSectors !== 0) return false;
  }
  return names.every((name) => name === physicalName);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import { formatBytes } from '@diskferry/system/units';
import { readAt, withDevice } from '../file-systems/block-device.ts';
import { FileSystemError } from '../file-systems/errors.ts';
import { type NewerBlock, readNewerBlocks } from './cache-metadata.ts';
import { formatLvmText, type LvmSection, numberIn, sectionsIn, stringIn } from './lvm-text.ts';
import {
  kindOf,
  LVM_SECTOR,
  type LogicalVolume,
  parseVolumeGroup,
  segmentsOf,
  type VolumeGroup,
} from './volume-group.ts';
import { joinRanges, rangesOfVolume, slicerOf, sumOfRanges } from './volume-ranges.ts';

/** A volume of which a faster one has some blocks too, maybe newer. */
export interface CachedVolume {
  readonly name: string;
  /** Such as "writeback". */
  readonly mode: string;
  readonly origin: LogicalVolume;
  /** Where the metadata of the cache lies on the device. */
  readonly metadata: readonly ByteRange[];
  /** Where the blocks of the cache lie on the device. */
  readonly data: readonly ByteRange[];
  readonly chunkBytes: number;
  /** The volumes that it is made of, by name. */
  readonly parts: readonly string[];
}

type Sections = ReadonlyMap<string, LvmSection>;

/** The cached volumes of a group that are made of plain volumes, and of which nothing else is made. */
export function findCachedVolumes(group: VolumeGroup): CachedVolume[] {
  const sections: Sections = new Map(sectionsIn(topOf(group), 'logical_volumes'));
  return [...sections].flatMap(([name, section]) => {
    const segments = segmentsOf(section);
    const [segment] = segments;
    if (segment === undefined || segments.length !== 1 || kindOf(segment) !== 'cache') return [];
    const isUsed = [...group.composed.keys()].some(
      (other) => other !== name && segmentsOf(sections.get(other) ?? {}).some((user) => names(user, name)),
    );
    const origin = group.volumes.find((volume) => volume.name === segment['origin']);
    const cache = cacheOf(group, segment, sections);
    if (isUsed || origin === undefined || cache === undefined) return [];
    if (origin.extentCount !== numberIn(segment, 'extent_count')) return [];
    return [{ ...cache, name, origin, parts: [...cache.parts, origin.name] }];
  });
}

function names(segment: LvmSection, volume: string): boolean {
  return Object.values(segment).flat().includes(volume);
}

type Cache = Omit<CachedVolume, 'name' | 'origin'>;

/** A cache is a pool of two volumes, or one volume ("cachevol") with metadata in front of the blocks. */
function cacheOf(group: VolumeGroup, segment: LvmSection, sections: Sections): Cache | undefined {
  const name = stringIn(segment, 'cache_pool');
  const single = group.volumes.find((volume) => volume.name === name);
  if (single !== undefined) {
    const slice = slicerOf(rangesOfVolume(group, single));
    const part = (what: string): ByteRange[] =>
      slice(numberIn(segment, `${what}_start`) * LVM_SECTOR, numberIn(segment, `${what}_len`) * LVM_SECTOR);
    return { ...settingsOf(segment), metadata: part('metadata'), data: part('data'), parts: [name] };
  }
  const [pool, ...others] = segmentsOf(sections.get(name) ?? {});
  if (pool === undefined || others.length > 0) return undefined;
  const [metadata, data] = ['metadata', 'data'].map((what) =>
    group.volumes.find((volume) => volume.name === stringIn(pool, what)),
  );
  if (metadata === undefined || data === undefined) return undefined;
  return {
    ...settingsOf(pool),
    metadata: rangesOfVolume(group, metadata),
    data: rangesOfVolume(group, data),
    parts: [name, metadata.name, data.name],
  };
}

function settingsOf(segment: LvmSection): Pick<CachedVolume, 'mode' | 'chunkBytes'> {
  return {
    mode: stringIn(segment, 'cache_mode'),
    chunkBytes: numberIn(segment, 'chunk_size') * LVM_SECTOR,
  };
}

/**
 * The pieces of the device whose contents, one after another, are what the computer sees: those of the origin, and those of
 * the cache where it has newer blocks. They are found without device-mapper, and nothing is written.
 *
 * @throws {FileSystemError} `DAMAGED`, `UNSUITABLE`
 */
export async function rangesOfCachedVolume(
  device: string,
  group: VolumeGroup,
  cached: CachedVolume,
): Promise<ByteRange[]> {
  const { metadata, chunkBytes } = cached;
  const slice = slicerOf(metadata);
  const newer = await withDevice(device, 'read', (file) => {
    const read = async (offset: number, length: number): Promise<Buffer> =>
      Buffer.concat(
        await Promise.all(slice(offset, length).map(({ start, size }) => readAt(file, start, size))),
      );
    return readNewerBlocks({ bytes: sumOfRanges(metadata), read }, chunkBytes);
  });
  return withNewerBlocks(rangesOfVolume(group, cached.origin), cached, newer);
}

/** The origin with the cache's blocks in the place of its own. */
function withNewerBlocks(
  origin: readonly ByteRange[],
  { data, chunkBytes }: Pick<CachedVolume, 'data' | 'chunkBytes'>,
  newer: readonly NewerBlock[],
): ByteRange[] {
  const [ofOrigin, ofCache] = [slicerOf(origin), slicerOf(data)];
  const size = sumOfRanges(origin);
  const pieces: ByteRange[][] = [];
  let done = 0;
  for (const { originBlock, cacheBlock } of newer) {
    const at = originBlock * chunkBytes;
    if (at < done || at >= size) {
      throw new FileSystemError(
        'DAMAGED',
        `the metadata of the cache has no right place for block ${cacheBlock}`,
      );
    }
    const length = Math.min(chunkBytes, size - at);
    pieces.push(ofOrigin(done, at - done), ofCache(cacheBlock * chunkBytes, length));
    done = at + length;
  }
  pieces.push(ofOrigin(done, size - done));
  return joinRanges(pieces);
}

/** The same group whose volumes have lost their caches: they lie where their origins lay. */
export function withoutCaches(group: VolumeGroup, cached: readonly CachedVolume[]): VolumeGroup {
  const top = topOf(group);
  const origins = new Map(cached.map(({ name, origin }) => [name, origin.name]));
  const gone = new Set(cached.flatMap(({ parts }) => parts));
  const sections = new Map(sectionsIn(top, 'logical_volumes'));
  const kept = [...sections].filter(([name]) => !gone.has(name));
  const hasPool = kept.some(([, section]) =>
    segmentsOf(section).some((segment) => kindOf(segment).endsWith('-pool')),
  );
  const volumes = kept
    // LVM's reserve for repairing the metadata of pools.
    .filter(([name]) => hasPool || !name.endsWith('_pmspare'))
    .map(([name, section]) => {
      const origin = sections.get(origins.get(name) ?? '');
      return [name, origin === undefined ? section : withSegmentsOf(origin, section)] as const;
    });
  const changed = { ...top, logical_volumes: Object.fromEntries(volumes) };
  return parseVolumeGroup(formatLvmText({ ...group.text, [group.name]: changed }));
}

function withSegmentsOf(origin: LvmSection, section: LvmSection): LvmSection {
  const isSegment = ([name]: readonly [string, unknown]): boolean => /^segment(\d+|_count)$/.test(name);
  return Object.fromEntries([
    ...Object.entries(section).filter((entry) => !isSegment(entry)),
    ...Object.entries(origin).filter(isSegment),
  ]);
}

/** What becomes of the cache, as a sentence. */
export function noteOfCache({ name, mode, data }: CachedVolume): string {
  const size = formatBytes(sumOfRanges(data));
  return `volume ${name} loses its cache (${mode}, ${size}): add one again with lvconvert --type cache`;
}

function topOf({ text, name }: VolumeGroup): LvmSection {
  return text[name] as LvmSection;
}

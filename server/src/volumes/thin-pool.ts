import { run } from '@diskferry/system/run';
import { sizeOfDevice } from '../file-systems/block-device.ts';
import { zeroRange } from '../file-systems/zero-range.ts';
import { linearTable, MAPPER_SECTOR, type MappingOptions, withMapping } from './device-mapper.ts';
import { type LvmSection, numberIn, sectionsIn, stringIn } from './lvm-text.ts';
import { LVM_SECTOR, type LogicalVolume, segmentsOf, type VolumeGroup } from './volume-group.ts';
import { rangesOfVolume } from './volume-ranges.ts';

/** A volume that takes its blocks from a pool when they are written. */
export interface ThinVolume {
  readonly name: string;
  /** Its number in the pool. */
  readonly deviceId: number;
  readonly size: number;
  /** The volume that it was a snapshot of. */
  readonly origin: string | undefined;
}

/** A pool of blocks, on two volumes of its own. */
export interface ThinPool {
  readonly name: string;
  readonly metadata: string;
  readonly data: string;
  readonly chunkBytes: number;
  readonly transactionId: number;
  readonly thins: readonly ThinVolume[];
}

/** The first block of a pool's metadata; where it is all zeros, the kernel makes a new pool (dm-thin-metadata.c). */
const METADATA_BLOCK = 4096;

/** The pools of a group that are made of plain volumes, and whose volumes need nothing else. */
export function findThinPools(group: VolumeGroup): ThinPool[] {
  const plain = new Set(group.volumes.map(({ name }) => name));
  const all = sectionsIn(group.text[group.name] as LvmSection, 'logical_volumes').map(([name, volume]) => ({
    name,
    segments: segmentsOf(volume),
  }));
  return all.flatMap(({ name, segments }) => {
    const [segment] = segments;
    if (segment === undefined || segments.length !== 1 || segment['type'] !== 'thin-pool') return [];
    const users = all.filter(({ segments }) => segments.some((other) => other['thin_pool'] === name));
    const isKnown = users.every(
      ({ segments: [only, ...others] }) => others.length === 0 && only?.['external_origin'] === undefined,
    );
    const pool: ThinPool = {
      name,
      metadata: stringIn(segment, 'metadata'),
      data: stringIn(segment, 'pool'),
      chunkBytes: numberIn(segment, 'chunk_size') * LVM_SECTOR,
      transactionId: numberIn(segment, 'transaction_id'),
      thins: users.map(({ name, segments }) => thinVolume(name, segments[0] ?? {}, group)),
    };
    return isKnown && plain.has(pool.metadata) && plain.has(pool.data) ? [pool] : [];
  });
}

function thinVolume(name: string, segment: LvmSection, { extentBytes }: VolumeGroup): ThinVolume {
  const origin = segment['origin'];
  return {
    name,
    deviceId: numberIn(segment, 'device_id'),
    size: numberIn(segment, 'extent_count') * extentBytes,
    origin: typeof origin === 'string' ? origin : undefined,
  };
}

/** A pool on the device of its group. */
export interface PoolPlace {
  readonly device: string;
  readonly group: VolumeGroup;
  readonly pool: ThinPool;
}

/** Opens a pool for the time of one piece of work, which gets its path. */
export async function withThinPool<T>(
  { device, group, pool }: PoolPlace,
  options: MappingOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const open = <R>(name: string, inner: (path: string) => Promise<R>): Promise<R> =>
    withMapping(linearTable(device, rangesOfVolume(group, volumeOf(group, name))), options, inner);
  return open(pool.metadata, (metadata) =>
    open(pool.data, async (data) => {
      const sectors = (await sizeOfDevice(data)) / MAPPER_SECTOR;
      const chunkSectors = pool.chunkBytes / MAPPER_SECTOR;
      // A full pool would let its writers wait for room that nobody adds.
      const table = `0 ${sectors} thin-pool ${metadata} ${data} ${chunkSectors} 0 1 error_if_no_space`;
      return withMapping(table, options, work);
    }),
  );
}

/** Opens a volume of an open pool. */
export async function withThinVolume<T>(
  poolPath: string,
  { deviceId, size }: ThinVolume,
  options: MappingOptions,
  work: (path: string) => Promise<T>,
): Promise<T> {
  return withMapping(`0 ${size / MAPPER_SECTOR} thin ${poolPath} ${deviceId}`, options, work);
}

/** Makes a pool with empty volumes on volumes that may have old data. */
export async function formatThinPool(place: PoolPlace, options: MappingOptions): Promise<void> {
  const { device, group, pool } = place;
  const metadata = linearTable(device, rangesOfVolume(group, volumeOf(group, pool.metadata)));
  await withMapping(metadata, options, (path) => zeroRange(path, 0, METADATA_BLOCK, options));
  await withThinPool(place, options, async (path) => {
    const tell = (message: string): Promise<unknown> => run(['dmsetup', 'message', path, '0', message]);
    for (const { deviceId } of pool.thins) await tell(`create_thin ${deviceId}`);
    // LVM compares it with what it wrote down itself.
    if (pool.transactionId !== 0) await tell(`set_transaction_id 0 ${pool.transactionId}`);
  });
}

function volumeOf(group: VolumeGroup, name: string): LogicalVolume {
  const volume = group.volumes.find((volume) => volume.name === name);
  if (volume === undefined) throw new TypeError(`there is no volume ${name}`);
  return volume;
}

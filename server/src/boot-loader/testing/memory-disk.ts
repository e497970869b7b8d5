import type { Session } from '@diskferry/system/session';
import type { FileSystem } from '../../file-systems/file-system.ts';
import type { BootFacts, BootPartition, WritableDisk } from '../boot-mending.ts';

const MIB = 1024 * 1024;

/** A disk in memory. */
export type MemoryDisk = BootFacts['source'] & WritableDisk & { readonly bytes: Buffer };

export function memoryDisk(mib: number): MemoryDisk {
  const bytes = Buffer.alloc(mib * MIB);
  return {
    bytes,
    size: bytes.length,
    sectorSize: { logical: 512, physical: 512 },
    read: async (offset, length) => Buffer.from(bytes.subarray(offset, offset + length)),
    write: async (offset, data) => bytes.set(data, offset),
    attachPartition: async () => {
      throw new Error('there are no block devices of a disk in memory');
    },
  };
}

/** A partition whose places are MiB, copied as sectors unless `how` says otherwise. */
export function partition(
  number: number,
  {
    was,
    start = was,
    size = 8,
    how = 'sectors',
    fileSystem = 'ext4',
    ...rest
  }: {
    readonly was: number;
    readonly start?: number;
    readonly size?: number;
    readonly how?: FileSystem['how'];
    readonly fileSystem?: string;
  } & Partial<Pick<BootPartition, 'type' | 'active' | 'guid' | 'sourceDevice' | 'blocksStay'>>,
): BootPartition {
  return {
    number,
    start: start * MIB,
    size: size * MIB,
    type: '0x83',
    role: 'primary',
    ...rest,
    was: { start: was * MIB, size: size * MIB },
    fileSystem: { type: fileSystem, how, size: size * MIB } as FileSystem,
  };
}

/** The facts of a disk that stays as it is, but for what is given. */
export function factsOf(
  source: BootFacts['source'],
  partitions: readonly BootPartition[],
  more: Partial<BootFacts> = {},
): BootFacts {
  return {
    source,
    table: { kind: 'mbr', id: '0x1234abcd', partitions, warnings: [], usedBackup: false, tableRegions: [] },
    destinationKind: more.table?.kind ?? 'mbr',
    destination: { bytes: source.size, sectorBytes: 512 },
    partitions,
    session: undefined as unknown as Session,
    ...more,
  };
}

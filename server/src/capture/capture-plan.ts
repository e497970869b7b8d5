import type { Partition, PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import { DiskferryError } from '@diskferry/system/errors';
import type { Session } from '@diskferry/system/session';
import type { FileSystem } from '../file-systems/file-system.ts';
import { recogniseFileSystem } from '../file-systems/recognise.ts';
import type { Range } from './copy-range.ts';
import { rangesOutsidePartitions } from './outside-partitions.ts';

/** A partition of the source with what is on it. */
export interface Volume {
  readonly partition: Partition;
  /** The block device of the partition on this server. */
  readonly device: string;
  readonly fileSystem: FileSystem;
}

/** What a capture found on the source and will do. */
export interface CapturePlan {
  readonly source: SimulatedDisk;
  readonly table: PartitionTable;
  readonly volumes: readonly Volume[];
  /** Boot code, gap and table sectors, copied as they are. */
  readonly outside: readonly Range[];
  /** What the image will about take, in bytes. */
  readonly estimatedBytes: number;
  readonly warnings: readonly string[];
}

/**
 * Looks at the source and decides what to do with each part; writes nothing.
 *
 * @throws {DiskferryError} `NO_PARTITION_TABLE` when there is neither a table nor a known file system
 */
export async function planCapture(source: SimulatedDisk, session: Session): Promise<CapturePlan> {
  const table = await source.readPartitionTable();
  const partitions = table.kind === 'none' ? [wholeDisk(source)] : table.partitions;
  const volumes: Volume[] = [];
  for (const partition of partitions.filter(({ role }) => role !== 'extended')) {
    const device = await source.attachPartition(partition);
    volumes.push({ partition, device, fileSystem: await recogniseFileSystem(device, { session }) });
  }
  if (table.kind === 'none' && volumes.every(({ fileSystem }) => fileSystem.how === 'sectors')) {
    throw new DiskferryError(
      'NO_PARTITION_TABLE',
      'the disk has no partition table and no file system that diskferry knows; is it empty, or encrypted?',
    );
  }
  return {
    source,
    table,
    volumes,
    outside: rangesOutsidePartitions(table),
    estimatedBytes: volumes.reduce((sum, { fileSystem }) => sum + bytesToMove(fileSystem), 0),
    warnings: [...table.warnings, ...volumes.flatMap(volumeWarnings)],
  };
}

/** What a capture has to move for a file system, in bytes. */
export function bytesToMove(fileSystem: FileSystem): number {
  switch (fileSystem.how) {
    case 'files':
      return fileSystem.usedBytes;
    case 'recreated':
      return 0;
    case 'sectors':
      return fileSystem.size;
  }
}

function volumeWarnings({ partition, fileSystem }: Volume): string[] {
  return fileSystem.notes.map((note) => `partition ${partition.number}: ${note}`);
}

/** A file system that fills a disk without a table, treated as the only partition. */
function wholeDisk({ size }: SimulatedDisk): Partition {
  return { number: 0, start: 0, size, type: '', role: 'primary' };
}

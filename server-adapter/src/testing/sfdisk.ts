import { runJson } from '@diskferry/system/run';
import type { PartitionTable } from '../partitions/partition-table.ts';

interface SfdiskOutput {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly sectorsize: number;
    readonly partitions?: readonly SfdiskPartition[];
  };
}

interface SfdiskPartition {
  readonly node: string;
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly uuid?: string;
  readonly name?: string;
  readonly bootable?: boolean;
}

/** What sfdisk says of a table, in the words of a {@link PartitionTable}. */
export async function sfdiskTable(path: string): Promise<unknown> {
  const { partitiontable: table } = await runJson<SfdiskOutput>(['sfdisk', '--json', path]);
  return {
    kind: table.label === 'dos' ? 'mbr' : table.label,
    id: table.id.toLowerCase(),
    partitions: (table.partitions ?? []).map((partition) => ({
      number: Number(/\d+$/.exec(partition.node)?.[0]),
      start: partition.start * table.sectorsize,
      size: partition.size * table.sectorsize,
      type: table.label === 'dos' ? `0x${partition.type.padStart(2, '0')}` : partition.type.toLowerCase(),
      guid: partition.uuid?.toLowerCase(),
      name: partition.name ?? '',
      active: partition.bootable ?? false,
    })),
  };
}

/** The part of a table that sfdisk shows. */
export function comparableTable({ kind, id, partitions }: PartitionTable): unknown {
  return {
    kind,
    id,
    partitions: partitions.map(({ number, start, size, type, guid, name = '', active = false }) => ({
      number,
      start,
      size,
      type,
      guid,
      name,
      active,
    })),
  };
}

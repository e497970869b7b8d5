/** A partition as its table describes it. Offsets and sizes are bytes. */
export interface Partition {
  /** The number that Linux gives it: 1 to 4 primary, from 5 logical; for GPT the index of its entry, from 1. */
  readonly number: number;
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
  /** GPT: the type GUID in lower case; MBR: the type byte as "0x83". */
  readonly type: string;
  /** GPT: the unique GUID of the partition, in lower case. */
  readonly guid?: string;
  /** GPT: the partition's name. */
  readonly name?: string;
  /** GPT: the attribute bits, as 16 hex digits. */
  readonly attributes?: string;
  /** MBR: the active flag. */
  readonly active?: boolean;
  /** `extended` is the container of logical partitions and has no contents of its own. */
  readonly role: 'primary' | 'extended' | 'logical' | 'gpt';
}

export interface PartitionTable {
  /** `none`: the disk has no table; a file system may fill the whole disk. */
  readonly kind: 'gpt' | 'mbr' | 'none';
  /** GPT: the disk GUID; MBR: the disk signature as "0x1234abcd"; `none`: "". */
  readonly id: string;
  /** In the order of their numbers. */
  readonly partitions: readonly Partition[];
  /** What was wrong and how it was read nevertheless, in sentences; empty for a sound table. */
  readonly warnings: readonly string[];
  /** The primary GPT was damaged and the backup at the end of the disk was used. */
  readonly usedBackup: boolean;
  /** Byte ranges of the disk that hold the table itself (MBR, EBRs, GPT headers and entries), in disk order. */
  readonly tableRegions: readonly { readonly start: number; readonly size: number }[];
}

/** The disk has a table that cannot be read; `code` is `PARTITION_TABLE_DAMAGED`. */
export class PartitionTableError extends Error {
  readonly code = 'PARTITION_TABLE_DAMAGED';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PartitionTableError';
  }
}

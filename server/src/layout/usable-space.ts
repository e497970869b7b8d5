import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';

/** What every partitioning program has used since disks with 4096-byte sectors came. */
export const ALIGNMENT_BYTES = 1024 * 1024;
/** 128 entries of 128 bytes (UEFI 2.10, section 5.3.1). */
const GPT_ENTRIES_BYTES = 128 * 128;
/** Sector numbers of an MBR have 32 bits. */
const MBR_SECTORS = 2 ** 32;

/**
 * The end of the part of a disk that partitions may take, in bytes: a GPT needs room for its backup behind it, an MBR
 * cannot address more than 2^32 sectors.
 */
export function endOfUsableSpace(
  kind: PartitionTable['kind'],
  { bytes, sectorBytes }: { readonly bytes: number; readonly sectorBytes: number },
): number {
  const whole = bytes - (bytes % sectorBytes);
  switch (kind) {
    case 'gpt':
      return whole - sectorBytes - Math.ceil(GPT_ENTRIES_BYTES / sectorBytes) * sectorBytes;
    case 'mbr':
      return Math.min(whole, MBR_SECTORS * sectorBytes);
    case 'none':
      return whole;
  }
}

/** The start of that part, in bytes: behind the MBR, or behind the primary GPT. */
export function startOfUsableSpace(kind: PartitionTable['kind'], sectorBytes: number): number {
  switch (kind) {
    case 'gpt':
      return (2 + Math.ceil(GPT_ENTRIES_BYTES / sectorBytes)) * sectorBytes;
    case 'mbr':
      return sectorBytes;
    case 'none':
      return 0;
  }
}

import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';

/** UEFI specification 2.10, table 5.7, and the MBR type of section 5.2.2. */
const EFI_SYSTEM_PARTITION = new Set(['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', '0xef']);
/** Where GRUB keeps itself on a GPT disk for a BIOS (GRUB manual, "BIOS installation"). */
const BIOS_BOOT_PARTITION = '21686148-6449-6e6f-744e-656564454649';
/** The part of the first sector that is code: in front of the disk signature and the partitions. */
export const BOOT_CODE_BYTES = 440;

/**
 * The firmware under which a disk starts. A disk made for both starts under BIOS.
 *
 * @param bootCode the first {@link BOOT_CODE_BYTES} bytes of the disk
 */
export function firmwareOf(
  table: Pick<PartitionTable, 'kind' | 'partitions'>,
  bootCode: Uint8Array,
): 'bios' | 'uefi' {
  const hasEsp = table.partitions.some(({ type }) => EFI_SYSTEM_PARTITION.has(type));
  const hasBiosPartition = table.partitions.some(({ type }) => type === BIOS_BOOT_PARTITION);
  const hasBootCode = bootCode.some((byte) => byte !== 0);
  // Some tools write boot code into the protective MBR of every GPT disk: alone it does not show a BIOS system.
  const startsUnderBios = hasBootCode && (hasBiosPartition || table.kind !== 'gpt');
  return hasEsp && !startsUnderBios ? 'uefi' : 'bios';
}

import type { Partition } from '@diskferry/server-adapter/partitions/partition-table';

/** Partitions that firmware, boot loader or maker sized; users' files are elsewhere. */
const FIXED_TYPES: ReadonlySet<string> = new Set([
  // UEFI 2.10, table 5.7: the EFI system partition; its MBR type.
  'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  '0xef',
  // GRUB's BIOS boot partition.
  '21686148-6449-6e6f-744e-656564454649',
  // Microsoft: reserved, Windows recovery environment, and the MBR types of recovery and maker's diagnosis.
  'e3c9e316-0b5c-4db8-817d-f92df00215ae',
  'de94bba4-06d1-4d40-a16a-bfd50179d6ac',
  '0x27',
  '0x12',
  // The Boot Loader Specification's XBOOTLDR.
  'bc13c2ff-59e6-4262-a352-b275fd6f7172',
]);

/** Whether a partition keeps its size unless the user asks for another. */
export function isFixed({ type }: Pick<Partition, 'type'>): boolean {
  return FIXED_TYPES.has(type);
}

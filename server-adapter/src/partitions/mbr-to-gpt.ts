import { randomUUID } from 'node:crypto';
import { type Partition, type PartitionTable, PartitionTableError } from './partition-table.ts';

/** Where GRUB keeps its core on a GPT disk for a BIOS (GRUB manual, "BIOS installation"). */
export const BIOS_BOOT_TYPE = '21686148-6449-6e6f-744e-656564454649';
const BASIC_DATA = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';
const LINUX_DATA = '0fc63daf-8483-4772-8e79-3d69d8477de4';

/** GPT types of MBR types (UEFI 2.10, table 5.7; the UAPI group's discoverable partitions; the tables of gdisk and sfdisk). */
const GPT_TYPES: ReadonlyMap<number, string> = new Map([
  ...[0x01, 0x04, 0x06, 0x07, 0x0b, 0x0c, 0x0e].map((type) => [type, BASIC_DATA] as const),
  // The same hidden, as boot managers of old did.
  ...[0x11, 0x14, 0x16, 0x17, 0x1b, 0x1c, 0x1e].map((type) => [type, BASIC_DATA] as const),
  [0x27, 'de94bba4-06d1-4d40-a16a-bfd50179d6ac'],
  [0x82, '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f'],
  [0x83, LINUX_DATA],
  [0x8e, 'e6d6d379-f507-44c2-a23c-238f2a3df928'],
  [0xa5, '516e7cb4-6ecf-11d6-8ff8-00022d09712b'],
  [0xa6, '824cc7a0-36a8-11e3-890a-952519ad3f61'],
  [0xaf, '48465300-0000-11aa-aa11-00306543ecac'],
  [0xe8, 'ca7d7ccb-63ed-4c53-861c-1742536059cc'],
  [0xea, 'bc13c2ff-59e6-4262-a352-b275fd6f7172'],
  [0xef, 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b'],
  [0xfd, 'a19d880f-05fc-4d3b-a006-743f0f84911e'],
]);
const HIDDEN_TYPES: ReadonlySet<number> = new Set([0x11, 0x14, 0x16, 0x17, 0x1b, 0x1c, 0x1e]);
const RECOVERY_TYPE = 0x27;

/** Attribute bits: firmware and partitioning programs leave it alone; started by boot code of a BIOS (UEFI 2.10, table 5.8). */
const REQUIRED = 1n << 0n;
const LEGACY_BIOS_BOOTABLE = 1n << 2n;
/** Of basic data partitions, by Microsoft: hidden, and without a drive letter. */
const HIDDEN = 1n << 62n;
const NO_DRIVE_LETTER = 1n << 63n;

/** What 128 entries allow. */
const MAX_NUMBER = 128;
const MIB = 1024 * 1024;
/**
 * Behind the primary GPT of a disk with sectors of 512 as well as of 4096 bytes: in the latter, MBR, header and entries take
 * 4096 + 4096 + 16384 bytes.
 */
const BEHIND_TABLE = 24 * 1024;
/** GRUB's core is 30 KiB large with one file system, some 150 KiB with LVM, RAID and LUKS. */
const LEAST_BIOS_BOOT_BYTES = 256 * 1024;

/**
 * The GPT that has the partitions of an MBR at their places, logical ones too, all with the numbers they had: only extended
 * partitions are gone. The GUIDs are new and random.
 *
 * @param biosBoot adds a partition for the core of GRUB, in front of the first partition if there is room in the gap, else in
 *   the first gap of 1 MiB, else behind the last partition, which is beyond the end of the disk if the partitions fill it:
 *   the layout must make room then
 * @throws {PartitionTableError} when a partition has a number beyond 128
 */
export function gptFromMbr(
  table: PartitionTable,
  { biosBoot }: { readonly biosBoot: boolean },
): PartitionTable {
  if (table.kind !== 'mbr') throw new TypeError(`a table of kind ${table.kind} is no MBR`);
  const partitions = table.partitions.filter(({ role }) => role !== 'extended').map(gptPartition);
  const beyond = partitions.find(({ number }) => number > MAX_NUMBER);
  if (beyond !== undefined) {
    throw new PartitionTableError(
      `partition ${beyond.number} has no place in a GPT of ${MAX_NUMBER} entries`,
    );
  }
  if (biosBoot) partitions.push(biosBootPartition(partitions));
  return {
    kind: 'gpt',
    id: randomUUID(),
    partitions: partitions.toSorted((left, right) => left.number - right.number),
    warnings: table.warnings,
    usedBackup: false,
    tableRegions: table.tableRegions,
  };
}

function gptPartition({ number, start, size, type, active = false }: Partition): Partition {
  const mbrType = Number(type);
  const attributes =
    (active ? LEGACY_BIOS_BOOTABLE : 0n) |
    (HIDDEN_TYPES.has(mbrType) ? HIDDEN | NO_DRIVE_LETTER : 0n) |
    (mbrType === RECOVERY_TYPE ? REQUIRED | NO_DRIVE_LETTER : 0n);
  return {
    number,
    start,
    size,
    // What is unknown here must not look like a volume that Windows offers to format.
    type: GPT_TYPES.get(mbrType) ?? LINUX_DATA,
    guid: randomUUID(),
    name: '',
    attributes: attributes.toString(16).padStart(16, '0'),
    role: 'gpt',
  };
}

function biosBootPartition(partitions: readonly Partition[]): Partition {
  return {
    number: freeNumber(partitions),
    ...placeForBiosBoot(partitions),
    type: BIOS_BOOT_TYPE,
    guid: randomUUID(),
    name: 'BIOS boot',
    attributes: '0'.repeat(16),
    role: 'gpt',
  };
}

function freeNumber(partitions: readonly Partition[]): number {
  const taken = new Set(partitions.map(({ number }) => number));
  for (let number = 1; number <= MAX_NUMBER; number++) if (!taken.has(number)) return number;
  throw new PartitionTableError('a GPT of 128 entries has none left for the BIOS boot partition');
}

function placeForBiosBoot(partitions: readonly Partition[]): Pick<Partition, 'start' | 'size'> {
  const sorted = partitions.toSorted((left, right) => left.start - right.start);
  // As large as usual, but not larger where the gap is that of a disk with a boot manager.
  const first = Math.min(MIB, sorted[0]?.start ?? MIB);
  if (first - BEHIND_TABLE >= LEAST_BIOS_BOOT_BYTES)
    return { start: BEHIND_TABLE, size: first - BEHIND_TABLE };
  for (const [index, { start, size }] of sorted.entries()) {
    const begin = Math.ceil((start + size) / MIB) * MIB;
    const next = sorted[index + 1]?.start ?? Number.POSITIVE_INFINITY;
    if (begin + MIB <= next) return { start: begin, size: MIB };
  }
  throw new RangeError('there is always room behind the last partition');
}

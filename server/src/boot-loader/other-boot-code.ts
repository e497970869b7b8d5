import type { BootFacts, BootPartition, MendingPart } from './boot-mending.ts';
import { SECTOR_BYTES } from './grub-images.ts';

/** How much of the start of a partition boot code may take: Windows' has several sectors. */
const BOOT_RECORD_BYTES = 16 * SECTOR_BYTES;

/** A maker of boot code, by words that stand in it. */
interface Maker {
  readonly name: string;
  readonly words: readonly Buffer[];
  /** Remembers the blocks of its files, and by which command it does so again. */
  readonly command?: string;
}

const MAKERS: readonly Maker[] = [
  {
    name: 'SYSLINUX',
    words: [Buffer.from('SYSLINUX'), Buffer.from('EXTLINUX')],
    command: 'extlinux --install',
  },
  { name: 'LILO', words: [Buffer.from('LILO')], command: 'lilo' },
];
const WINDOWS_WORDS = [Buffer.from('BOOTMGR'), Buffer.from('BOOTMGR', 'utf16le'), Buffer.from('NTLDR')];
const BOOT_SIGNATURE = 0xaa55;
const LEGACY_BIOS_BOOTABLE = 1n << 2n;

/** Boot code in a partition that boot code of the MBR starts. */
export interface BootRecord {
  readonly partition: BootPartition;
  readonly bytes: Buffer;
}

/** The partition that generic boot code in the first sector starts: the active one, or that with the attribute for it. */
export async function startedPartition({ source, partitions }: BootFacts): Promise<BootRecord | undefined> {
  const partition = partitions.find(
    ({ active = false, attributes = '0' }) =>
      active || (BigInt(`0x${attributes}`) & LEGACY_BIOS_BOOTABLE) !== 0n,
  );
  if (partition === undefined) return undefined;
  const bytes = await source.read(partition.was.start, Math.min(BOOT_RECORD_BYTES, partition.was.size));
  return bytes.readUInt16LE(SECTOR_BYTES - 2) === BOOT_SIGNATURE ? { partition, bytes } : undefined;
}

/** Whether this is the boot code that Windows puts at the start of a partition. */
export function isOfWindows({ bytes }: BootRecord): boolean {
  return WINDOWS_WORDS.some((word) => bytes.includes(word));
}

/** What is said of boot code that nobody here mends; undefined where it is unknown. */
export function planOtherBootCode(
  { table, destinationKind }: BootFacts,
  record: { readonly bytes: Buffer; readonly partition?: BootPartition },
): MendingPart | undefined {
  const maker = MAKERS.find(({ words }) => words.some((word) => record.bytes.includes(word)));
  if (maker === undefined) return undefined;
  const { name, command } = maker;
  const stays =
    record.partition !== undefined && doesStay(record.partition) && table.kind === destinationKind;
  const note =
    `${name} remembers the blocks of its files, which are others now: ` +
    `the disk does not start before "${command}" is run in the system; copied as blocks to the same place, it would`;
  return { loader: `${name} (BIOS)`, notes: stays ? [] : [note] };
}

function doesStay({ fileSystem, blocksStay = false, start, was }: BootPartition): boolean {
  return start === was.start && (fileSystem.how === 'sectors' || blocksStay);
}

/** u32 in the boot sectors of FAT and NTFS: how many sectors of the disk are in front of the volume. */
const HIDDEN_SECTORS_OFFSET = 28;
const HIDDEN_SECTORS_BYTES = 4;

/** Boot code of FAT and NTFS finds its volume by what the boot sector says of its place: that follows a move. */
export function planHiddenSectors({ partition, bytes }: BootRecord): MendingPart {
  const { fileSystem, start, was, number } = partition;
  if (start === was.start || !['vfat', 'ntfs'].includes(fileSystem.type)) return {};
  const before = was.start / SECTOR_BYTES;
  if (bytes.readUInt32LE(HIDDEN_SECTORS_OFFSET) !== before) return {};
  return {
    steps: [
      {
        title: `tell the boot sector of partition ${number} its new place`,
        run: async (destination) => {
          const field = start + HIDDEN_SECTORS_OFFSET;
          const found = (await destination.read(field, HIDDEN_SECTORS_BYTES)).readUInt32LE();
          // A driver that makes the volume anew may have done it.
          if (found !== before) return;
          const place = Buffer.alloc(HIDDEN_SECTORS_BYTES);
          place.writeUInt32LE(start / SECTOR_BYTES);
          await destination.write(field, place);
        },
      },
    ],
  };
}

/** Boot sectors of a BIOS have this size on every disk from which a BIOS starts. */
export const SECTOR_BYTES = 512;
/** In front of the disk signature and the partitions. */
const BOOT_CODE_BYTES = 440;

/** What boot.img of GRUB 2 and stage1 of GRUB Legacy write on the screen when they fail. */
const MESSAGES = Buffer.from('GRUB \0Geom\0Hard Disk\0Read\0 Error', 'latin1');
/** What the first sector of a core of GRUB 2 writes (diskboot.S). */
const CORE_MESSAGES = Buffer.from('loading\0.\0\r\n\0Geom\0Read\0 Error', 'latin1');
/** u64, where the first sector of the core is (GRUB_BOOT_MACHINE_KERNEL_SECTOR in include/grub/i386/pc/boot.h). */
const KERNEL_SECTOR_OFFSET = 0x5c;
/** Stage1 of GRUB Legacy has its version 3.2 where boot.img has room for the parameters of a file system. */
const LEGACY_VERSION_OFFSET = 0x3e;
const LEGACY_VERSION = 0x0203;
/** Two bytes of boot.img that jump over the mending of a wrong drive number (GRUB_BOOT_MACHINE_DRIVE_CHECK). */
const DRIVE_CHECK_OFFSET = 0x66;
const NO_OPERATIONS = Buffer.from([0x90, 0x90]);

/**
 * The block list of a core: entries of u64 first sector, u16 sectors, u16 segment, from the end of its first sector
 * downwards, until one that says no sectors (diskboot.S, GRUB_BOOT_MACHINE_LIST_SIZE).
 */
const LIST_END = SECTOR_BYTES;
const LIST_ENTRY_BYTES = 12;
/** Far below any block list of GRUB, above the messages of every version. */
const LIST_START = 0x170;
/** What a segment register counts in. */
const PARAGRAPH_BYTES = 16;
/** Where the second sector of the core goes: segment 0x820 (GRUB_BOOT_MACHINE_KERNEL_SEG, plus one sector). */
const CORE_SEGMENT = 0x820;

/**
 * A part of a core by which it is known, in bytes: behind the two sectors in which grub-install writes places and lengths, in
 * front of the end, where it puts Reed-Solomon code.
 */
export const SAMPLE = { start: 2 * SECTOR_BYTES, bytes: 4 * SECTOR_BYTES } as const;

/** Sectors of a disk that follow each other. */
export interface SectorRun {
  readonly lba: number;
  readonly sectors: number;
}

/** What stands in the first sector of a disk or partition, as far as GRUB is concerned. */
export type GrubBootSector =
  | { readonly kind: 'grub' /** Where the core begins, in sectors of the disk. */; readonly coreLba: number }
  | { readonly kind: 'grub-legacy' };

/** Recognises the boot sector of GRUB by its messages; undefined for every other. */
export function readGrubBootSector(sector: Buffer): GrubBootSector | undefined {
  const at = sector.subarray(0, BOOT_CODE_BYTES).indexOf(MESSAGES);
  if (at < 0) return undefined;
  if (sector.readUInt16LE(LEGACY_VERSION_OFFSET) === LEGACY_VERSION) return { kind: 'grub-legacy' };
  return { kind: 'grub', coreLba: Number(sector.readBigUInt64LE(KERNEL_SECTOR_OFFSET)) };
}

/** The field of a boot sector that names the core's first sector, and its place in the sector. */
export function coreLbaField(lba: number): { readonly offset: number; readonly data: Buffer } {
  const data = Buffer.alloc(8);
  data.writeBigUInt64LE(BigInt(lba));
  return { offset: KERNEL_SECTOR_OFFSET, data };
}

/**
 * The code of boot.img for the first sector of a hard disk, as grub-install writes it: it mends drive numbers that some
 * firmware gets wrong.
 */
export function hardDiskBootCode(bootImage: Buffer, coreLba: number): Buffer {
  const code = Buffer.from(bootImage.subarray(0, BOOT_CODE_BYTES));
  NO_OPERATIONS.copy(code, DRIVE_CHECK_OFFSET);
  const { offset, data } = coreLbaField(coreLba);
  data.copy(code, offset);
  return code;
}

/** The sectors of a core behind its first one, in their order; undefined when the sector is no start of a core. */
export function readBlockList(first: Buffer): SectorRun[] | undefined {
  if (!first.includes(CORE_MESSAGES)) return undefined;
  const runs: SectorRun[] = [];
  for (let offset = LIST_END - LIST_ENTRY_BYTES; offset >= LIST_START; offset -= LIST_ENTRY_BYTES) {
    const sectors = first.readUInt16LE(offset + 8);
    if (sectors === 0) return runs;
    runs.push({ lba: Number(first.readBigUInt64LE(offset)), sectors });
  }
  return undefined;
}

/**
 * The first sector of a core whose other sectors are in other places.
 *
 * @returns undefined when they are in more pieces than the list has room for
 */
export function withBlockList(first: Buffer, runs: readonly SectorRun[]): Buffer | undefined {
  const bytes = Buffer.from(first);
  const messagesEnd = first.indexOf(CORE_MESSAGES) + CORE_MESSAGES.length;
  const start = Math.max(LIST_START, messagesEnd);
  // What is behind the messages is code, then zeros up to the list, whose last entry is zeros too.
  const had = readBlockList(first)?.length ?? 0;
  let offset = LIST_END - LIST_ENTRY_BYTES;
  let segment = CORE_SEGMENT;
  for (const [index, { lba, sectors }] of runs.entries()) {
    const room = first.subarray(offset - LIST_ENTRY_BYTES, offset);
    if (offset - LIST_ENTRY_BYTES < start || (index + 1 >= had && room.some((byte) => byte !== 0)))
      return undefined;
    bytes.writeBigUInt64LE(BigInt(lba), offset);
    bytes.writeUInt16LE(sectors, offset + 8);
    bytes.writeUInt16LE(segment, offset + 10);
    segment += (sectors * SECTOR_BYTES) / PARAGRAPH_BYTES;
    offset -= LIST_ENTRY_BYTES;
  }
  bytes.fill(0, offset, offset + LIST_ENTRY_BYTES);
  return bytes;
}

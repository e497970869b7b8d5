/** Where the four entries stand in the first sector of a disk, and in each link of a chain of logical partitions. */
const ENTRIES_OFFSET = 446;
const ENTRY_SIZE = 16;
const ENTRY_COUNT = 4;
const SIGNATURE_OFFSET = 510;
const SIGNATURE = 0xaa55;
const DISK_SIGNATURE_OFFSET = 440;

const ACTIVE = 0x80;
const PROTECTIVE_TYPE = 0xee;
const EXTENDED_TYPES: readonly number[] = [0x05, 0x0f, 0x85];
/** The largest number that an entry can hold. */
export const MAX_SECTORS = 0xffff_ffff;
/** The geometry that every program has pretended since disks grew beyond cylinders, heads and sectors. */
const HEADS = 255;
const SECTORS_PER_TRACK = 63;
const MAX_CYLINDER = 1023;

/** One of the four entries. Places are sectors, counted from a point that depends on where the entry stands. */
export interface MbrEntry {
  readonly status: number;
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
}

/*
 * An entry: 0 u8 status; 1 CHS of the first sector; 4 u8 type; 5 CHS of the last sector; 8 u32 first sector;
 * 12 u32 number of sectors
 */
export function decodeMbrEntries(sector: Buffer): MbrEntry[] {
  return Array.from({ length: ENTRY_COUNT }, (_, index) => {
    const offset = ENTRIES_OFFSET + index * ENTRY_SIZE;
    return {
      status: sector.readUInt8(offset),
      type: sector.readUInt8(offset + 4),
      start: sector.readUInt32LE(offset + 8),
      sectors: sector.readUInt32LE(offset + 12),
    };
  });
}

/** Writes one of the four entries, with CHS addresses that match; those of an entry that stays as it was are kept. */
export function encodeMbrEntry(sector: Buffer, index: number, entry: MbrEntry): void {
  const before = decodeMbrEntries(sector)[index];
  const offset = ENTRIES_OFFSET + index * ENTRY_SIZE;
  sector.writeUInt8(entry.status, offset);
  sector.writeUInt8(entry.type, offset + 4);
  sector.writeUInt32LE(entry.start, offset + 8);
  sector.writeUInt32LE(entry.sectors, offset + 12);
  if (before?.start === entry.start && before.sectors === entry.sectors) return;
  chsOf(entry.start).copy(sector, offset + 1);
  chsOf(entry.start + entry.sectors - 1).copy(sector, offset + 5);
}

/** Cylinder, head and sector in three bytes; the largest address for what lies beyond. */
function chsOf(sector: number): Buffer {
  const cylinder = Math.floor(sector / (HEADS * SECTORS_PER_TRACK));
  if (sector < 0) return Buffer.alloc(3);
  if (cylinder > MAX_CYLINDER) return Buffer.from([HEADS - 1, 0xff, 0xff]);
  const head = Math.floor(sector / SECTORS_PER_TRACK) % HEADS;
  return Buffer.from([head, (sector % SECTORS_PER_TRACK) + 1 + ((cylinder >> 8) << 6), cylinder & 0xff]);
}

export function writeMbrSignature(sector: Buffer): void {
  sector.writeUInt16LE(SIGNATURE, SIGNATURE_OFFSET);
}

export function hasMbrSignature(sector: Buffer): boolean {
  return sector.readUInt16LE(SIGNATURE_OFFSET) === SIGNATURE;
}

/** The disk signature, as "0x1234abcd". */
export function diskSignature(sector: Buffer): string {
  return `0x${sector.readUInt32LE(DISK_SIGNATURE_OFFSET).toString(16).padStart(8, '0')}`;
}

export function isUsed({ type, sectors }: MbrEntry): boolean {
  return type !== 0 && sectors !== 0;
}

export function isActive({ status }: MbrEntry): boolean {
  return status === ACTIVE;
}

export function isExtended({ type }: MbrEntry): boolean {
  return EXTENDED_TYPES.includes(type);
}

export function isProtective({ type }: MbrEntry): boolean {
  return type === PROTECTIVE_TYPE;
}

/** Boot sectors of file systems carry the same signature, but code where the entries would be. */
export function looksLikeEntries(entries: readonly MbrEntry[]): boolean {
  return entries.every(
    (entry) =>
      (entry.status === 0 || entry.status === ACTIVE) &&
      // A partition that begins with the table itself is the trick of mkfs.fat --mbr, not a partition.
      (!isUsed(entry) || entry.start > 0),
  );
}

/** A first sector that tells programs without GPT that the disk is full (UEFI 2.10, section 5.2.3); keeps boot code. */
export function protectiveMbr(sector: Buffer, diskSectors: number): Buffer {
  if (hasMbrSignature(sector) && decodeMbrEntries(sector).some(isProtective)) return sector;
  const mbr = Buffer.from(sector);
  mbr.fill(0, ENTRIES_OFFSET, SIGNATURE_OFFSET);
  // CHS of the first sector, 0x000200, and of the last, beyond what CHS can say.
  mbr.set([0x00, 0x00, 0x02, 0x00, PROTECTIVE_TYPE, 0xff, 0xff, 0xff], ENTRIES_OFFSET);
  mbr.writeUInt32LE(1, ENTRIES_OFFSET + 8);
  mbr.writeUInt32LE(Math.min(diskSectors - 1, MAX_SECTORS), ENTRIES_OFFSET + 12);
  mbr.writeUInt16LE(SIGNATURE, SIGNATURE_OFFSET);
  return mbr;
}

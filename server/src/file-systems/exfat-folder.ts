import { FileSystemError } from './errors.ts';

const ENTRY_BYTES = 32;
/** Types of entries with the bit that says that they are in use: specification, 6 and 7. */
const TYPE = {
  end: 0x00,
  bitmap: 0x81,
  upcase: 0x82,
  label: 0x83,
  file: 0x85,
  stream: 0xc0,
  name: 0xc1,
} as const;
const IN_USE = 0x80;
const SECONDARY = 0x40;
/** Of the types that only some systems know: they may be carried by one that does not know them. */
const BENIGN = 0x20;
const FOLDER = 0x10;
const ALLOCATION_POSSIBLE = 0x01;
const CONTIGUOUS = 0x02;

/** Clusters that an entry owns. */
interface ExfatAllocation {
  /** Of the entry, in the bytes of the set. */
  readonly offset: number;
  /** The first cluster; 0 for none. */
  readonly cluster: number;
  readonly bytes: number;
  /** What is behind reads as zeros. */
  readonly validBytes: number;
  /** The table does not tell of its clusters: they are in one piece. */
  readonly isContiguous: boolean;
}

/** An entry with those that belong to it: a file, a folder, or what belongs to the volume. */
export interface ExfatItem {
  readonly kind: 'file' | 'folder' | 'bitmap' | 'upcase' | 'other';
  readonly name: string;
  /** All entries, byte for byte: names, times, attributes, what other systems added. */
  readonly entries: Buffer;
  readonly allocations: readonly ExfatAllocation[];
}

/** Reads the entries of a folder; deleted ones are left out. Throws {FileSystemError} `DAMAGED`. */
export function parseExfatFolder(bytes: Buffer, path: string): ExfatItem[] {
  const items: ExfatItem[] = [];
  for (let offset = 0; offset + ENTRY_BYTES <= bytes.length; ) {
    const type = bytes.readUInt8(offset);
    if (type === TYPE.end) break;
    const isPrimary = (type & IN_USE) !== 0 && (type & SECONDARY) === 0;
    const count = isPrimary && hasSecondaries(type) ? 1 + bytes.readUInt8(offset + 1) : 1;
    if (isPrimary) items.push(parseSet(bytes.subarray(offset, offset + count * ENTRY_BYTES), count, path));
    offset += count * ENTRY_BYTES;
  }
  return items;
}

function hasSecondaries(type: number): boolean {
  return type !== TYPE.bitmap && type !== TYPE.upcase && type !== TYPE.label;
}

function parseSet(entries: Buffer, count: number, path: string): ExfatItem {
  const type = entries.readUInt8(0);
  const isWhole = entries.length === count * ENTRY_BYTES;
  if (!isWhole || (hasSecondaries(type) && entries.readUInt16LE(2) !== checksumOfSet(entries))) {
    throw new FileSystemError('DAMAGED', `an entry in the folder ${path || '/'} is damaged`);
  }
  const isKnown = type === TYPE.file || !hasSecondaries(type) || (type & BENIGN) !== 0;
  if (!isKnown)
    throw new FileSystemError('DAMAGED', `the folder ${path || '/'} has an entry that is not known here`);
  const allocations =
    type === TYPE.bitmap || type === TYPE.upcase ? [allocationAt(entries, 0)] : secondaries(entries);
  return { kind: kindOf(type, entries), name: nameOf(entries), entries, allocations };
}

function kindOf(type: number, entries: Buffer): ExfatItem['kind'] {
  if (type === TYPE.bitmap) return 'bitmap';
  if (type === TYPE.upcase) return 'upcase';
  if (type !== TYPE.file) return 'other';
  return (entries.readUInt16LE(4) & FOLDER) === 0 ? 'file' : 'folder';
}

/** What each secondary entry owns that may own clusters. */
function secondaries(entries: Buffer): ExfatAllocation[] {
  const found: ExfatAllocation[] = [];
  for (let offset = ENTRY_BYTES; offset < entries.length; offset += ENTRY_BYTES) {
    if ((entries.readUInt8(offset + 1) & ALLOCATION_POSSIBLE) !== 0)
      found.push(allocationAt(entries, offset));
  }
  return found;
}

function allocationAt(entries: Buffer, offset: number): ExfatAllocation {
  const type = entries.readUInt8(offset);
  const bytes = Number(entries.readBigUInt64LE(offset + 24));
  return {
    offset,
    cluster: entries.readUInt32LE(offset + 20),
    bytes,
    validBytes: type === TYPE.stream ? Math.min(bytes, Number(entries.readBigUInt64LE(offset + 8))) : bytes,
    isContiguous: offset > 0 && (entries.readUInt8(offset + 1) & CONTIGUOUS) !== 0,
  };
}

function nameOf(entries: Buffer): string {
  const type = entries.readUInt8(0);
  if (type !== TYPE.file) return `entry ${type.toString(16)}`;
  let name = '';
  for (let offset = ENTRY_BYTES; offset < entries.length; offset += ENTRY_BYTES) {
    if (entries.readUInt8(offset) === TYPE.name)
      name += entries.toString('utf16le', offset + 2, offset + ENTRY_BYTES);
  }
  return name.slice(0, entries.readUInt8(ENTRY_BYTES + 3));
}

/** A new place of an allocation, in one piece; `bytes` where the size changes. */
export interface ExfatPlace {
  readonly cluster: number;
  readonly bytes?: number | undefined;
}

/** The entries of an item at other places. */
export function entriesWithPlaces(item: ExfatItem, places: readonly (ExfatPlace | undefined)[]): Buffer {
  const entries = Buffer.from(item.entries);
  for (const [index, { offset }] of item.allocations.entries()) {
    const place = places[index];
    if (place === undefined) continue;
    entries.writeUInt32LE(place.cluster, offset + 20);
    if (offset > 0) entries.writeUInt8(entries.readUInt8(offset + 1) | CONTIGUOUS, offset + 1);
    if (place.bytes === undefined) continue;
    entries.writeBigUInt64LE(BigInt(place.bytes), offset + 24);
    if (offset > 0) entries.writeBigUInt64LE(BigInt(place.bytes), offset + 8);
  }
  if (hasSecondaries(entries.readUInt8(0))) entries.writeUInt16LE(checksumOfSet(entries), 2);
  return entries;
}

/** Entries of an item without what tells of places, for a comparison. */
export function entriesWithoutPlaces(item: ExfatItem): Buffer {
  const isResized = item.kind === 'folder' || item.kind === 'bitmap';
  return entriesWithPlaces(
    item,
    item.allocations.map(() => ({ cluster: 0, bytes: isResized ? 0 : undefined })),
  );
}

/** Specification, 6.3.3. */
function checksumOfSet(entries: Buffer): number {
  let sum = 0;
  for (const [index, byte] of entries.entries()) {
    if (index !== 2 && index !== 3) sum = (((sum & 1) === 1 ? 0x8000 : 0) + (sum >>> 1) + byte) & 0xffff;
  }
  return sum;
}

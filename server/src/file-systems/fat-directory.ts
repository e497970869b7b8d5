import { DIRECTORY_ENTRY_BYTES, type FatKind } from './fat-geometry.ts';

/** Fields of a short entry: Microsoft's fatgen103, "FAT Directory Structure". */
const ATTRIBUTES_OFFSET = 11;
const CLUSTER_HIGH_OFFSET = 20;
const CLUSTER_LOW_OFFSET = 26;
const SIZE_OFFSET = 28;
const ATTRIBUTE_LABEL = 0x08;
const ATTRIBUTE_FOLDER = 0x10;
const ATTRIBUTES_LONG_NAME = 0x0f;
const END_MARK = 0x00;
const DELETED_MARK = 0xe5;

/** One file, folder or label in a folder. */
export interface FatItem {
  readonly kind: 'file' | 'folder' | 'label' | 'self' | 'parent';
  /** The short name, for messages. */
  readonly name: string;
  /** The entries of the long name and the short entry, byte for byte: times, attributes, names in all forms. */
  readonly slots: Buffer;
  /** First cluster; 0 for none. */
  readonly cluster: number;
  /** In bytes; 0 for folders. */
  readonly size: number;
}

/** Reads the entries of a folder. Deleted files, and parts of long names without a file, are left out. */
export function parseDirectory(bytes: Buffer, kind: FatKind): FatItem[] {
  const items: FatItem[] = [];
  let longName: Buffer[] = [];
  for (let offset = 0; offset + DIRECTORY_ENTRY_BYTES <= bytes.length; offset += DIRECTORY_ENTRY_BYTES) {
    const entry = bytes.subarray(offset, offset + DIRECTORY_ENTRY_BYTES);
    if (entry[0] === END_MARK) break;
    if (entry[0] === DELETED_MARK) {
      longName = [];
    } else if ((entry.readUInt8(ATTRIBUTES_OFFSET) & 0x3f) === ATTRIBUTES_LONG_NAME) {
      longName.push(entry);
    } else {
      items.push(parseItem(entry, longName, kind));
      longName = [];
    }
  }
  return items;
}

function parseItem(entry: Buffer, longName: readonly Buffer[], kind: FatKind): FatItem {
  const name = entry.toString('latin1', 0, 11);
  const attributes = entry.readUInt8(ATTRIBUTES_OFFSET);
  // FAT12 and FAT16 keep other things in the upper half, such as OS/2's extended attributes.
  const high = kind === 32 ? entry.readUInt16LE(CLUSTER_HIGH_OFFSET) : 0;
  return {
    kind: kindOf(name, attributes),
    name: name.replace(/^(.{8})(.{3})$/s, (_, base: string, extension: string) =>
      extension.trim() === '' ? base.trim() : `${base.trim()}.${extension.trim()}`,
    ),
    slots: Buffer.concat([...longName, entry]),
    cluster: high * 0x10000 + entry.readUInt16LE(CLUSTER_LOW_OFFSET),
    size: (attributes & ATTRIBUTE_FOLDER) === 0 ? entry.readUInt32LE(SIZE_OFFSET) : 0,
  };
}

function kindOf(name: string, attributes: number): FatItem['kind'] {
  if ((attributes & ATTRIBUTE_LABEL) !== 0) return 'label';
  if ((attributes & ATTRIBUTE_FOLDER) === 0) return 'file';
  if (name === '.          ') return 'self';
  return name === '..         ' ? 'parent' : 'folder';
}

/** The entries of an item with another first cluster, in a volume that may be of another kind. */
export function slotsWithCluster(
  item: FatItem,
  { from, to }: { readonly from: FatKind; readonly to: FatKind },
  cluster: number,
): Buffer {
  const slots = Buffer.from(item.slots);
  const entry = slots.subarray(slots.length - DIRECTORY_ENTRY_BYTES);
  entry.writeUInt16LE(cluster % 0x10000, CLUSTER_LOW_OFFSET);
  if (from === 32 || to === 32) entry.writeUInt16LE(Math.floor(cluster / 0x10000), CLUSTER_HIGH_OFFSET);
  return slots;
}

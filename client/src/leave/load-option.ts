/** Bit 0 of the attributes, LOAD_OPTION_ACTIVE. */
const ACTIVE = 1;
const ATTRIBUTES_BYTES = 4;
const HEADER_BYTES = ATTRIBUTES_BYTES + 2;
const NODE_HEADER_BYTES = 4;
const HARD_DRIVE_BYTES = 42;
const END_OF_PATH = 0x7f;

/** Types and subtypes of device path nodes: UEFI specification 2.10, 10.3. */
export const NODE_TYPES = { hardware: 1, acpi: 2, messaging: 3, media: 4 } as const;
const HARD_DRIVE = { type: NODE_TYPES.media, subtype: 1 } as const;

/** One step of the way to a device. */
export interface PathNode {
  readonly type: number;
  readonly subtype: number;
}

/** Where a partition lies, in logical blocks of its disk. */
export interface PartitionPlace {
  readonly number: number;
  readonly start: number;
  readonly blocks: number;
}

/** What a variable Boot#### holds: one line of the firmware's boot menu. */
export interface LoadOption {
  readonly isActive: boolean;
  readonly description: string;
  readonly path: readonly PathNode[];
  /** Where the path leads into a partition. */
  readonly partition: PartitionPlace | undefined;
}

/**
 * Understands EFI_LOAD_OPTION (UEFI specification 2.10, 3.1.3); undefined for bytes that are none:
 *
 *     attributes u32 · length of the path u16 · description UTF-16, ends with 0 · path · what the loader wants
 *     each node of the path: type u8 · subtype u8 · length u16 · data
 */
export function parseLoadOption(bytes: Buffer): LoadOption | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const attributes = bytes.readUInt32LE(0);
  const pathLength = bytes.readUInt16LE(ATTRIBUTES_BYTES);
  let end = HEADER_BYTES;
  while (end + 2 <= bytes.length && bytes.readUInt16LE(end) !== 0) end += 2;
  const path = bytes.subarray(end + 2, end + 2 + pathLength);
  if (path.length !== pathLength) return undefined;
  const nodes = parsePath(path);
  return (
    nodes && {
      isActive: (attributes & ACTIVE) !== 0,
      description: bytes.subarray(HEADER_BYTES, end).toString('utf16le'),
      path: nodes.map(({ type, subtype }) => ({ type, subtype })),
      partition: nodes.map(partitionOf).find((place) => place !== undefined),
    }
  );
}

interface NodeWithData extends PathNode {
  readonly bytes: Buffer;
}

function parsePath(bytes: Buffer): NodeWithData[] | undefined {
  const nodes: NodeWithData[] = [];
  let offset = 0;
  while (offset + NODE_HEADER_BYTES <= bytes.length) {
    const [type = 0, subtype = 0] = bytes.subarray(offset);
    const length = bytes.readUInt16LE(offset + 2);
    if (length < NODE_HEADER_BYTES || offset + length > bytes.length) return undefined;
    if (type === END_OF_PATH) return nodes;
    nodes.push({ type, subtype, bytes: bytes.subarray(offset, offset + length) });
    offset += length;
  }
  return nodes;
}

/** Header, partition number u32, start u64, size u64, signature; both in logical blocks. */
function partitionOf({ type, subtype, bytes }: NodeWithData): PartitionPlace | undefined {
  if (type !== HARD_DRIVE.type || subtype !== HARD_DRIVE.subtype || bytes.length < HARD_DRIVE_BYTES)
    return undefined;
  return {
    number: bytes.readUInt32LE(4),
    start: Number(bytes.readBigUInt64LE(8)),
    blocks: Number(bytes.readBigUInt64LE(16)),
  };
}

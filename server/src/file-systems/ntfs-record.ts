import { FileSystemError } from './errors.ts';

/** The unit that is protected against torn writes, whatever the sectors are: its last two bytes are kept apart. */
const PROTECTED_BYTES = 512;
const SIGNATURE = 'FILE';
/** Of the oldest version. */
const RECORD_HEADER_BYTES = 42;
const END_OF_ATTRIBUTES = 0xffffffff;
const IN_USE = 0x01;

/** Fields of a record of the master file table (linux-ntfs, "FILE Record"). */
const RECORD = {
  fixupOffset: 4,
  fixupCount: 6,
  attributes: 20,
  flags: 22,
  usedBytes: 24,
  allocatedBytes: 28,
  base: 32,
} as const;

/** Types of attributes. */
export const ATTRIBUTE = {
  standardInformation: 0x10,
  list: 0x20,
  fileName: 0x30,
  objectId: 0x40,
  volumeInformation: 0x70,
  data: 0x80,
  reparsePoint: 0xc0,
} as const;

/** Files with numbers of their own. */
export const SYSTEM_FILE = {
  mft: 0,
  mirror: 1,
  log: 2,
  volume: 3,
  root: 5,
  bitmap: 6,
  boot: 7,
  badClusters: 8,
} as const;

const COMPRESSED = 0x0001;

/** One attribute in a record; it looks into the record's bytes. */
export interface NtfsAttribute {
  readonly type: number;
  /** Of a stream or index; empty as a rule. */
  readonly name: string;
  /** In the record. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** What is stored in the record itself. */
  readonly value?: Buffer | undefined;
  /** What is stored in clusters. */
  readonly stored?: NtfsStored | undefined;
}

/** An attribute, or a part of one, that is stored in clusters. Sizes are bytes; only the first part tells them. */
export interface NtfsStored {
  /** The place of this part in the attribute, in clusters. */
  readonly firstCluster: number;
  readonly isCompressed: boolean;
  readonly dataBytes: number;
  /** What is behind reads as zeros, whatever the clusters hold. */
  readonly initializedBytes: number;
  /** The list of runs and unused bytes behind it. */
  readonly runs: Buffer;
}

/**
 * Undoes the protection of a record in place, if it is in use.
 *
 * @returns whether it is in use
 * @throws {FileSystemError} `DAMAGED` when it was not written whole
 */
export function openRecord(record: Buffer, number: number): boolean {
  const signature = record.toString('latin1', 0, 4);
  if (signature !== SIGNATURE) {
    if (signature === 'BAAD')
      throw new FileSystemError('DAMAGED', `its file record ${number} is marked as bad`);
    return false;
  }
  if ((record.readUInt16LE(RECORD.flags) & IN_USE) === 0) return false;
  const fixups = record.readUInt16LE(RECORD.fixupOffset);
  const count = record.readUInt16LE(RECORD.fixupCount);
  if (count !== record.length / PROTECTED_BYTES + 1 || fixups + 2 * count > PROTECTED_BYTES - 2) {
    throw new FileSystemError('DAMAGED', `its file record ${number} has a wrong size`);
  }
  for (let index = 1; index < count; index++) {
    const end = index * PROTECTED_BYTES - 2;
    if (record.readUInt16LE(end) !== record.readUInt16LE(fixups)) {
      throw new FileSystemError('DAMAGED', `its file record ${number} was not written whole`);
    }
    record.copyWithin(end, fixups + 2 * index, fixups + 2 * index + 2);
  }
  return true;
}

/** Protects a record again, in place. Others than records in a file table are left as they are. */
export function closeRecord(record: Buffer): void {
  if (record.toString('latin1', 0, 4) !== SIGNATURE) return;
  const fixups = record.readUInt16LE(RECORD.fixupOffset);
  for (let index = 1; index <= record.length / PROTECTED_BYTES; index++) {
    const end = index * PROTECTED_BYTES - 2;
    record.copyWithin(fixups + 2 * index, end, end + 2);
    record.copyWithin(end, fixups, fixups + 2);
  }
}

/** The record that this one continues, or undefined when it stands for itself. */
export function baseOfRecord(record: Buffer): number | undefined {
  const base = recordNumber(record, RECORD.base);
  return record.readBigUInt64LE(RECORD.base) === 0n ? undefined : base;
}

/** The number of a record in a reference to it, whose upper 16 bits count the uses of the record. */
export function recordNumber(bytes: Buffer, offset: number): number {
  return bytes.readUIntLE(offset, 6);
}

/** The attributes of an opened record. Throws {FileSystemError} `DAMAGED`. */
export function readAttributes(record: Buffer, number: number): NtfsAttribute[] {
  const attributes: NtfsAttribute[] = [];
  const end = Math.min(record.readUInt32LE(RECORD.usedBytes), record.length);
  let offset = record.readUInt16LE(RECORD.attributes);
  for (;;) {
    if (offset + 4 > end) throw new FileSystemError('DAMAGED', `its file record ${number} has no end`);
    const type = record.readUInt32LE(offset);
    if (type === END_OF_ATTRIBUTES) return attributes;
    const length = offset + 8 > end ? 0 : record.readUInt32LE(offset + 4);
    if (length < 24 || length % 8 !== 0 || offset + length > end) {
      throw new FileSystemError('DAMAGED', `its file record ${number} has an attribute of a wrong length`);
    }
    attributes.push(parseAttribute(record.subarray(offset, offset + length), offset, number));
    offset += length;
  }
}

function parseAttribute(bytes: Buffer, offset: number, number: number): NtfsAttribute {
  const nameStart = bytes.readUInt16LE(10);
  const name = bytes.toString('utf16le', nameStart, nameStart + 2 * bytes.readUInt8(9));
  const common = { type: bytes.readUInt32LE(0), name, offset, bytes };
  if (bytes.readUInt8(8) === 0) {
    const start = bytes.readUInt16LE(20);
    const end = start + bytes.readUInt32LE(16);
    if (end > bytes.length)
      throw new FileSystemError('DAMAGED', `its file record ${number} has a value without end`);
    return { ...common, value: bytes.subarray(start, end) };
  }
  const runsStart = bytes.readUInt16LE(32);
  if (bytes.length < 64 || runsStart < 64 || runsStart >= bytes.length) {
    throw new FileSystemError('DAMAGED', `its file record ${number} has an attribute without runs`);
  }
  return {
    ...common,
    stored: {
      firstCluster: Number(bytes.readBigUInt64LE(16)),
      isCompressed: (bytes.readUInt16LE(12) & COMPRESSED) !== 0,
      dataBytes: Number(bytes.readBigUInt64LE(48)),
      initializedBytes: Number(bytes.readBigUInt64LE(56)),
      runs: bytes.subarray(runsStart),
    },
  };
}

/** Sizes of an attribute that is stored in clusters, in bytes, and its runs. */
export interface NewStored {
  readonly clusters: number;
  readonly allocatedBytes: number;
  readonly dataBytes: number;
  readonly initializedBytes: number;
  readonly runs: Buffer;
}

/**
 * Gives an attribute of an opened record other runs and sizes, and moves what is behind it in the record.
 *
 * @throws {FileSystemError} `UNSUITABLE` when the record has no room for the runs
 */
export function replaceStored(record: Buffer, { bytes, offset }: NtfsAttribute, stored: NewStored): void {
  const runsStart = bytes.readUInt16LE(32);
  const attribute = Buffer.alloc(Math.ceil((runsStart + stored.runs.length) / 8) * 8);
  bytes.copy(attribute, 0, 0, runsStart);
  stored.runs.copy(attribute, runsStart);
  attribute.writeUInt32LE(attribute.length, 4);
  attribute.writeBigUInt64LE(BigInt(stored.clusters - 1), 24);
  attribute.writeBigUInt64LE(BigInt(stored.allocatedBytes), 40);
  attribute.writeBigUInt64LE(BigInt(stored.dataBytes), 48);
  attribute.writeBigUInt64LE(BigInt(stored.initializedBytes), 56);
  const behind = Buffer.from(record.subarray(offset + bytes.length, record.readUInt32LE(RECORD.usedBytes)));
  const used = offset + attribute.length + behind.length;
  if (used > record.length) {
    throw new FileSystemError(
      'UNSUITABLE',
      'a record of its file table has no room for the new places of its file',
    );
  }
  attribute.copy(record, offset);
  behind.copy(record, offset + attribute.length);
  record.fill(0, used);
  record.writeUInt32LE(used, RECORD.usedBytes);
}

/** Takes the names and small contents of a deleted file out of an unused record; the count of its uses stays. */
export function emptyRecord(record: Buffer): void {
  const start = record.readUInt16LE(RECORD.attributes);
  const fixups = record.readUInt16LE(RECORD.fixupOffset);
  const fixupEnd = fixups + 2 * (record.length / PROTECTED_BYTES + 1);
  const isSound = fixups >= RECORD_HEADER_BYTES && fixupEnd <= start && start + 8 <= PROTECTED_BYTES - 2;
  if (record.toString('latin1', 0, 4) !== SIGNATURE || !isSound) {
    record.fill(0);
    return;
  }
  record.fill(0, start);
  record.writeUInt32LE(END_OF_ATTRIBUTES, start);
  record.writeUInt32LE(start + 8, RECORD.usedBytes);
}

/** An opened record in a larger size: with room for more protected units before the attributes. */
export function enlargeRecord(record: Buffer, bytes: number): Buffer {
  const target = Buffer.alloc(bytes);
  if (record.toString('latin1', 0, 4) !== SIGNATURE) return target;
  const fixups = record.readUInt16LE(RECORD.fixupOffset);
  const from = record.readUInt16LE(RECORD.attributes);
  const fixupCount = bytes / PROTECTED_BYTES + 1;
  const to = Math.ceil((fixups + 2 * fixupCount) / 8) * 8;
  const end = record.readUInt32LE(RECORD.usedBytes);
  record.copy(target, 0, 0, fixups + 2);
  record.copy(target, to, from, end);
  target.writeUInt16LE(fixupCount, RECORD.fixupCount);
  target.writeUInt16LE(to, RECORD.attributes);
  target.writeUInt32LE(end + to - from, RECORD.usedBytes);
  target.writeUInt32LE(bytes, RECORD.allocatedBytes);
  return target;
}

import { FileSystemError } from '../file-systems/errors.ts';

/** md counts in sectors of 512 bytes, whatever the disk has. */
export const MD_SECTOR = 512;
/** Its fields, and the roles of so many devices as there can be, fit in it. */
export const MD_SUPERBLOCK_BYTES = 4096;

/**
 * Superblock 1.x, struct mdp_superblock_1 of include/uapi/linux/raid/md_p.h, in little endian: offsets of the fields that
 * matter here.
 */
const FIELD = {
  magic: 0,
  majorVersion: 4,
  features: 8,
  name: 32,
  level: 72,
  arraySectors: 80,
  disks: 92,
  bitmapOffset: 96,
  dataOffset: 128,
  dataSectors: 136,
  superOffset: 144,
  deviceNumber: 160,
  badBlocksSectors: 186,
  badBlocksOffset: 188,
  events: 200,
  resyncOffset: 208,
  checksum: 216,
  maxDevices: 220,
  roles: 256,
} as const;

const MAGIC = 0xa92b4efc;
const NAME_BYTES = 32;
const MIRROR = 1;
const FEATURE_BITMAP = 1;
const FEATURE_BAD_BLOCKS = 8;
/** In place of a role: the device is not part of the array. */
const ROLE_FAULTY = 0xfffe;
/** No resynchronisation is under way. */
const NEVER = 0xffffffffffffffffn;
/** So much newer than what another copy of the array may have written meanwhile. */
const EVENTS_AHEAD = 1000n;

/** One device of an array. */
export interface MdMember {
  /** 1.0 keeps the superblock at the end of the device, 1.1 at its beginning, 1.2 4 KiB behind that. */
  readonly minorVersion: 0 | 1 | 2;
  /** Such as "server:0". */
  readonly name: string;
  readonly disks: number;
  /** Which of the disks of the array it is; undefined for a spare or a faulty one. */
  readonly role: number | undefined;
  /** Where the superblock lies on the device, in bytes. */
  readonly superOffset: number;
  /** Where the contents of the array lie on the device, in bytes. */
  readonly data: { readonly start: number; readonly size: number };
  /** Room for contents, in bytes: that of the array or more. */
  readonly roomBytes: number;
  readonly hasBitmap: boolean;
  /** Where the list of bad blocks lies on the device, in bytes. */
  readonly badBlocks: { readonly start: number; readonly size: number } | undefined;
  /** Why the contents cannot be read from this device alone: a sentence without its end. */
  readonly obstacle?: string | undefined;
  readonly superblock: Buffer;
}

/** The places where a superblock may lie on a device of that size, in bytes, with the minor version that tells so. */
export function superblockPlaces(
  deviceBytes: number,
): { readonly offset: number; readonly minor: 0 | 1 | 2 }[] {
  return [
    { offset: 8 * MD_SECTOR, minor: 2 },
    { offset: 0, minor: 1 },
    { offset: endPlace(deviceBytes), minor: 0 },
  ];
}

/** At least 8 KiB from the end, at a multiple of 4 KiB. */
function endPlace(deviceBytes: number): number {
  const sectors = Math.floor(deviceBytes / MD_SECTOR);
  return Math.floor((sectors - 16) / 8) * 8 * MD_SECTOR;
}

/**
 * Reads a superblock.
 *
 * @param place where it was read
 * @returns undefined when there is none at this place
 * @throws {FileSystemError} `DAMAGED`
 */
export function parseMdSuperblock(
  superblock: Buffer,
  { offset, minor }: { readonly offset: number; readonly minor: 0 | 1 | 2 },
): MdMember | undefined {
  if (superblock.readUInt32LE(FIELD.magic) !== MAGIC || superblock.readUInt32LE(FIELD.majorVersion) !== 1) {
    return undefined;
  }
  if (sectorsAt(superblock, FIELD.superOffset) !== offset) return undefined;
  if (superblock.readUInt32LE(FIELD.checksum) !== checksumOf(superblock)) {
    throw new FileSystemError('DAMAGED', 'the superblock of the RAID array has a wrong checksum');
  }
  const features = superblock.readUInt32LE(FIELD.features);
  const start = sectorsAt(superblock, FIELD.dataOffset);
  const name = superblock.subarray(FIELD.name, FIELD.name + NAME_BYTES);
  const badBlocksOffset = superblock.readInt32LE(FIELD.badBlocksOffset) * MD_SECTOR;
  const member = {
    minorVersion: minor,
    name: name.toString('latin1', 0, Math.max(0, name.indexOf(0))),
    disks: superblock.readUInt32LE(FIELD.disks),
    role: roleOf(superblock),
    superOffset: offset,
    data: { start, size: sectorsAt(superblock, FIELD.arraySectors) },
    roomBytes: sectorsAt(superblock, FIELD.dataSectors),
    hasBitmap: (features & FEATURE_BITMAP) !== 0,
    badBlocks:
      (features & FEATURE_BAD_BLOCKS) === 0 || badBlocksOffset === 0
        ? undefined
        : {
            start: offset + badBlocksOffset,
            size: superblock.readUInt16LE(FIELD.badBlocksSectors) * MD_SECTOR,
          },
    superblock,
  };
  return { ...member, obstacle: obstacleOf(superblock, member) };
}

function obstacleOf(superblock: Buffer, { role }: Pick<MdMember, 'role'>): string | undefined {
  const level = superblock.readInt32LE(FIELD.level);
  if (level !== MIRROR)
    return `it is part of an array of RAID level ${level}, which takes all of its devices`;
  if (role === undefined) return 'it is a spare or failed device of its array';
  const others = superblock.readUInt32LE(FIELD.features) & ~(FEATURE_BITMAP | FEATURE_BAD_BLOCKS);
  if (others !== 0) {
    return `its array is being rebuilt or reshaped, or has features that are not known here (${others})`;
  }
  return undefined;
}

function roleOf(superblock: Buffer): number | undefined {
  const number = superblock.readUInt32LE(FIELD.deviceNumber);
  if (number >= deviceLimit(superblock)) return undefined;
  const role = superblock.readUInt16LE(FIELD.roles + number * 2);
  return role < superblock.readUInt32LE(FIELD.disks) ? role : undefined;
}

function deviceLimit(superblock: Buffer): number {
  const most = (superblock.length - FIELD.roles) / 2;
  const count = superblock.readUInt32LE(FIELD.maxDevices);
  if (count <= most) return count;
  throw new FileSystemError('DAMAGED', `the superblock of the RAID array has room for ${count} devices`);
}

/** Where a member of the same array lies on a device of another size, in bytes. */
export interface MdPlaces {
  readonly superOffset: number;
  readonly roomBytes: number;
  readonly arrayBytes: number;
}

/** Sizes of arrays are multiples of it, in bytes. */
const SIZE_UNIT = 64 * 1024;

/** Where everything of a member goes on a device of that size. On a device of the member's own size nothing changes. */
export function placesOn(
  member: MdMember,
  { deviceBytes, wasBytes }: { deviceBytes: number; wasBytes: number },
): MdPlaces {
  const { superOffset, roomBytes, data } = member;
  if (deviceBytes === wasBytes) return { superOffset, roomBytes, arrayBytes: data.size };
  if (member.minorVersion !== 0) {
    const room = Math.floor((deviceBytes - data.start) / MD_SECTOR) * MD_SECTOR;
    return { superOffset, roomBytes: room, arrayBytes: Math.floor(room / SIZE_UNIT) * SIZE_UNIT };
  }
  const newOffset = endPlace(deviceBytes);
  // Between the contents and the superblock lie the list of bad blocks and the bitmap.
  const room = newOffset - (superOffset - data.start - roomBytes) - data.start;
  return { superOffset: newOffset, roomBytes: room, arrayBytes: Math.floor(room / SIZE_UNIT) * SIZE_UNIT };
}

/**
 * The superblock of a copy that was filled file by file. The other devices of the array do not have the same bytes: they count
 * as failed, and as out of date wherever they turn up, even as copies that were made in the same way.
 */
export function loneSuperblock(member: MdMember, { superOffset, roomBytes, arrayBytes }: MdPlaces): Buffer {
  const superblock = Buffer.from(member.superblock);
  const features = superblock.readUInt32LE(FIELD.features);
  superblock.writeUInt32LE(features & ~FEATURE_BITMAP, FIELD.features);
  superblock.writeUInt32LE(0, FIELD.bitmapOffset);
  writeSectors(superblock, FIELD.superOffset, superOffset);
  writeSectors(superblock, FIELD.dataSectors, roomBytes);
  writeSectors(superblock, FIELD.arraySectors, arrayBytes);
  superblock.writeBigUInt64LE(NEVER, FIELD.resyncOffset);
  const ahead = EVENTS_AHEAD * BigInt((member.role ?? 0) + 1);
  superblock.writeBigUInt64LE(superblock.readBigUInt64LE(FIELD.events) + ahead, FIELD.events);
  const own = superblock.readUInt32LE(FIELD.deviceNumber);
  for (let number = 0; number < deviceLimit(superblock); number++) {
    if (number !== own) superblock.writeUInt16LE(ROLE_FAULTY, FIELD.roles + number * 2);
  }
  superblock.writeUInt32LE(checksumOf(superblock), FIELD.checksum);
  return superblock;
}

/** The sum of all 32-bit words but the checksum itself, with what overflows added (md.c, calc_sb_1_csum). */
function checksumOf(superblock: Buffer): number {
  const length = FIELD.roles + deviceLimit(superblock) * 2;
  let sum = 0;
  for (let offset = 0; offset + 4 <= length; offset += 4) {
    if (offset !== FIELD.checksum) sum += superblock.readUInt32LE(offset);
  }
  if (length % 4 === 2) sum += superblock.readUInt16LE(length - 2);
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) >>> 0;
}

function sectorsAt(superblock: Buffer, offset: number): number {
  const value = Number(superblock.readBigUInt64LE(offset)) * MD_SECTOR;
  if (Number.isSafeInteger(value)) return value;
  throw new FileSystemError('DAMAGED', 'the superblock of the RAID array has a place beyond all disks');
}

function writeSectors(superblock: Buffer, offset: number, bytes: number): void {
  superblock.writeBigUInt64LE(BigInt(bytes / MD_SECTOR), offset);
}

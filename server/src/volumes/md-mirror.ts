import type { Difference } from '../compare/difference.ts';
import { bytesToMove } from '../file-systems/bytes-to-move.ts';
import { readAt, sizeOfDevice, withDevice, writeAt } from '../file-systems/block-device.ts';
import { carryBootArea } from '../file-systems/boot-area.ts';
import { type Destination, examineDestination, type Suitability } from '../file-systems/destination.ts';
import { FileSystemError } from '../file-systems/errors.ts';
import type { CopyContext, FileSystem } from '../file-systems/file-system.ts';
import { sectorsFileSystem } from '../file-systems/sectors.ts';
import { type ContainerDriver, contextInside } from './container.ts';
import { withInnerDevice } from './inner-device.ts';
import {
  loneSuperblock,
  MD_SUPERBLOCK_BYTES,
  type MdMember,
  type MdPlaces,
  parseMdSuperblock,
  placesOn,
  superblockPlaces,
} from './md-superblock.ts';

const INSIDE = 'inside the mirror';
/** In front of a superblock 1.2, left to boot loaders. */
const BOOT_AREA_BYTES = 4096;
/** What an empty place of the list of bad blocks holds (md.c, super_1_load). */
const NO_BAD_BLOCK = 0xff;

/** A mirror as it was found on one of its devices. */
interface Found {
  readonly member: MdMember;
  readonly size: number;
  /** What is on the array. */
  readonly content: FileSystem;
}

/**
 * Examines a device of a software RAID array. Each device of a mirror has all of its contents, so these are read without the
 * kernel's md, and copied like those of a partition into a mirror of the same name and identifiers that lacks its other
 * devices. All else is copied as sectors.
 */
export const recogniseMd: ContainerDriver = async (device, signature, inside) => {
  const { session } = inside;
  const size = await sizeOfDevice(device);
  const asSectors = (reason: string): Promise<FileSystem> =>
    sectorsFileSystem(device, signature, `this RAID device is copied as sectors: ${reason}`);
  const member = await readMember(device);
  if (member === undefined) return asSectors('its superblock is of an old or unknown kind (1.x is known)');
  const obstacle = member.obstacle ?? (await obstacleOnDevice(device, member, size));
  if (obstacle !== undefined) return asSectors(obstacle);
  const content = await withInnerDevice(device, [member.data], { session }, inside.recognise);
  if (content.how === 'sectors') return asSectors(`on the mirror, ${content.notes.join('; ')}`);
  const found: Found = { member, size, content };
  const suitability = (destination: Destination): Suitability => suitabilityOf(found, destination);
  return {
    type: signature.type,
    uuid: signature.uuid,
    label: signature.label,
    size,
    usedBytes: bytesToMove(content),
    smallestBytes: smallestOf(found),
    how: 'files',
    notes: notesOf(found),
    suitability,
    create: async (destination, context) => {
      await examineDestination(destination, suitability);
      await writeMember(found, destination);
      await withInnerDevice(destination, [await rangeOn(found, destination)], context, (path) =>
        content.create(path, contextInside(context, INSIDE, 0)),
      );
    },
    copy: async (source, destination, context) => {
      if (member.minorVersion === 2) await carryBootArea(source, destination, BOOT_AREA_BYTES);
      await withBoth(found, { source, destination }, context, (from, to) =>
        content.copy(from, to, contextInside(context, INSIDE, 0)),
      );
    },
    verify: (source, destination, context) => verifyMirror(found, { source, destination }, context),
  };
};

async function readMember(device: string): Promise<MdMember | undefined> {
  const size = await sizeOfDevice(device);
  return withDevice(device, 'read', async (file) => {
    for (const place of superblockPlaces(size)) {
      if (place.offset < 0 || place.offset + MD_SUPERBLOCK_BYTES > size) continue;
      const member = parseMdSuperblock(await readAt(file, place.offset, MD_SUPERBLOCK_BYTES), place);
      if (member !== undefined) return member;
    }
    return undefined;
  });
}

async function obstacleOnDevice(
  device: string,
  { data, badBlocks }: MdMember,
  size: number,
): Promise<string | undefined> {
  if (data.size === 0 || data.start + data.size > size) return 'its array is larger than the device';
  if (badBlocks === undefined) return undefined;
  const list = await withDevice(device, 'read', (file) => readAt(file, badBlocks.start, badBlocks.size));
  if (list.every((byte) => byte === NO_BAD_BLOCK)) return undefined;
  return 'some of its blocks could not be written; read it from another device of the mirror';
}

function placesFor({ member, size }: Found, deviceBytes: number): MdPlaces {
  return placesOn(member, { deviceBytes, wasBytes: size });
}

async function rangeOn(found: Found, destination: string): Promise<MdMember['data']> {
  const { arrayBytes } = placesFor(found, await sizeOfDevice(destination));
  return { start: found.member.data.start, size: arrayBytes };
}

function smallestOf(found: Found): number {
  const { member, size, content } = found;
  // What lies around the contents, and what is lost to rounding.
  const around = size - member.roomBytes + 2 * 64 * 1024;
  return Math.min(size, content.smallestBytes + around);
}

function suitabilityOf(found: Found, { bytes, sectorBytes }: Destination): Suitability {
  const { arrayBytes } = placesFor(found, bytes);
  const { obstacle, changes } = found.content.suitability({ bytes: Math.max(0, arrayBytes), sectorBytes });
  const inside = changes.map((change) => `${INSIDE}: ${change}`);
  return obstacle === undefined
    ? { changes: inside }
    : { obstacle: `${INSIDE}: ${obstacle}`, changes: inside };
}

function notesOf({ member, content }: Found): string[] {
  const { name, disks, hasBitmap } = member;
  const others = disks > 1 ? '; add the others with mdadm --add, never from before the copy' : '';
  return [
    `it is one of ${disks} devices of the mirror ${name}: the copy (${content.type}) is the only device of its mirror${others}`,
    ...(hasBitmap ? ['its bitmap is not kept; add it again with mdadm --grow --bitmap=internal'] : []),
    ...content.notes.map((note) => `${INSIDE}: ${note}`),
  ];
}

async function writeMember({ member, size }: Found, destination: string): Promise<void> {
  const places = placesOn(member, { deviceBytes: await sizeOfDevice(destination), wasBytes: size });
  await withDevice(destination, 'exclusive', async (file) => {
    if (member.badBlocks !== undefined) {
      const start = places.superOffset + (member.badBlocks.start - member.superOffset);
      await writeAt(file, start, Buffer.alloc(member.badBlocks.size, NO_BAD_BLOCK));
    }
    await writeAt(file, places.superOffset, loneSuperblock(member, places));
  });
}

interface Sides {
  readonly source: string;
  readonly destination: string;
}

async function withBoth<T>(
  found: Found,
  { source, destination }: Sides,
  context: CopyContext,
  work: (from: string, to: string) => Promise<T>,
): Promise<T> {
  const range = await rangeOn(found, destination);
  return withInnerDevice(source, [found.member.data], context, (from) =>
    withInnerDevice(destination, [range], context, (to) => work(from, to)),
  );
}

async function verifyMirror(
  found: Found,
  sides: Sides,
  context: CopyContext,
): Promise<readonly Difference[]> {
  const made = await readMember(sides.destination);
  if (made === undefined) throw new FileSystemError('DAMAGED', 'the copy of the mirror has no superblock');
  const expected = loneSuperblock(found.member, placesFor(found, await sizeOfDevice(sides.destination)));
  const inside = await withBoth(found, sides, context, (from, to) =>
    found.content.verify(from, to, contextInside(context, INSIDE, 0)),
  );
  if (made.superblock.equals(expected)) return inside;
  return [{ path: '', property: "md's superblock", left: 'as it should be', right: 'other' }, ...inside];
}

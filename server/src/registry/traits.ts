import type { DiskInfo, Inventory, NicInfo } from '@diskferry/protocol/inventory';
import type { MachineFacts } from '../pxe/boot-decision.ts';
import { isIdentifyingMac } from './bad-values/macs.ts';
import { isIdentifyingSerial, isIdentifyingWwn } from './bad-values/serials.ts';
import { bothByteOrders, isIdentifyingUuid } from './bad-values/uuids.ts';

/**
 * What a computer is recognised by, and how much it says; docs/registry.md has the reasons. A kind counts once, however
 * many of its values agree: cards and disks travel in numbers.
 */
export const TRAIT_WEIGHTS = {
  /** SMBIOS UUID, in the byte order that sorts first. */
  uuid: 60,
  /** Address of a card that is built in. */
  mac: 70,
  /** Serial number on the case, with its maker. */
  'system-serial': 50,
  /** Serial number of the main board, with its maker. */
  'board-serial': 50,
  /** World wide name of a disk, else model and serial number. */
  disk: 31,
  /** Fingerprint of the client's key, which is new at each start: only for computers that have nothing else. */
  key: 60,
} as const satisfies Readonly<Record<string, number>>;

export type TraitKind = keyof typeof TRAIT_WEIGHTS;

/** For people. */
export const TRAIT_WORDS: Readonly<Record<TraitKind, string>> = {
  uuid: 'SMBIOS UUID',
  mac: 'MAC address',
  'system-serial': 'serial number of the system',
  'board-serial': 'serial number of the board',
  disk: 'disk',
  key: 'key of the client',
};

export interface Trait {
  readonly kind: TraitKind;
  /** Lower case; equal texts are equal traits. */
  readonly value: string;
}

/** Buses of cards that leave with the next dock or adapter. */
const OUTER_BUSES: readonly string[] = ['usb', 'pcmcia'];

/** All that identifies a computer in what it tells of itself, in a fixed order, each once. */
export function traitsOf({ computer, nics, disks }: Inventory): readonly Trait[] {
  return distinct([
    ...uuidTrait(computer.uuid),
    ...serialTrait('system-serial', computer.manufacturer, computer.serial, computer.uuid),
    ...serialTrait('board-serial', computer.boardManufacturer, computer.boardSerial, computer.uuid),
    ...nics.filter(isBuiltIn).flatMap(({ mac }) => macTrait(mac)),
    ...disks.filter(isFixed).flatMap(diskTrait),
  ]);
}

/**
 * What identifies a computer that asks for its boot loader. The firmware does not say where its card is: an address that
 * is not known as one of a built-in card may be a dock's.
 */
export function traitsOfBoot({ uuid, manufacturer, serial, mac }: MachineFacts): readonly Trait[] {
  return distinct([
    ...uuidTrait(uuid),
    ...serialTrait('system-serial', manufacturer, serial, uuid),
    ...macTrait(mac),
  ]);
}

export function traitKey({ kind, value }: Trait): string {
  return `${kind} ${value}`;
}

function isBuiltIn({ bus, removable }: NicInfo): boolean {
  return bus !== undefined && !OUTER_BUSES.includes(bus) && removable !== true;
}

/** Of a disk that stays where it is. A file that is served for development is none. */
function isFixed({ removable, transport }: DiskInfo): boolean {
  return !removable && transport !== 'usb' && transport !== 'mmc' && transport !== 'file';
}

function uuidTrait(uuid: string | undefined): Trait[] {
  if (uuid === undefined || !isIdentifyingUuid(uuid)) return [];
  const orders = bothByteOrders(uuid.trim().toLowerCase());
  return [{ kind: 'uuid', value: orders.toSorted()[0] ?? '' }];
}

/** Two makers may use the same numbers. What only repeats the UUID, as VMware and Xen have it, says nothing more. */
function serialTrait(
  kind: 'system-serial' | 'board-serial',
  maker: string | undefined,
  serial: string | undefined,
  uuid: string | undefined,
): Trait[] {
  if (serial === undefined || !isIdentifyingSerial(serial) || repeats(serial, uuid)) return [];
  return [{ kind, value: `${normalise(maker ?? '')}/${normalise(serial)}` }];
}

function repeats(serial: string, uuid: string | undefined): boolean {
  if (uuid === undefined) return false;
  const digits = hexDigits(serial);
  return bothByteOrders(uuid.toLowerCase()).some((order) => digits.endsWith(hexDigits(order)));
}

function macTrait(mac: string): Trait[] {
  return isIdentifyingMac(mac) ? [{ kind: 'mac', value: normalise(mac) }] : [];
}

function diskTrait({ wwn, model, serial }: DiskInfo): Trait[] {
  if (wwn !== undefined && isIdentifyingWwn(wwn)) return [{ kind: 'disk', value: normalise(wwn) }];
  if (serial === undefined || !isIdentifyingSerial(serial)) return [];
  return [{ kind: 'disk', value: `${normalise(model ?? '')}/${normalise(serial)}` }];
}

function hexDigits(text: string): string {
  return text.toLowerCase().replaceAll(/[^0-9a-f]/g, '');
}

function normalise(text: string): string {
  return text.trim().toLowerCase().replaceAll(/\s+/g, ' ');
}

function distinct(traits: readonly Trait[]): readonly Trait[] {
  return [...new Map(traits.map((trait) => [traitKey(trait), trait])).values()];
}

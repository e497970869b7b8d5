import { UsageError } from '@diskferry/system/errors';
import { isIdentifyingUuid } from '../registry/bad-values/uuids.ts';

/** What a machine is known by before anything runs on it. */
export interface MachineKey {
  readonly kind: 'mac' | 'uuid';
  /** Lower case: a MAC address with colons, a UUID with dashes, as `dmidecode` prints it. */
  readonly text: string;
}

const MAC = /^[0-9a-f]{2}([:-]?)(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** The first three fields of a UUID are numbers, and SMBIOS stores them with the lowest byte first. */
const NUMBER_FIELDS = 3;

/**
 * Reads a MAC address, with colons, dashes or nothing between, or a UUID; undefined for everything else, also for UUIDs that
 * makers left unset, which are the same on many machines.
 */
export function machineKeyOf(text: string): MachineKey | undefined {
  const lower = text.trim().toLowerCase();
  if (MAC.test(lower)) {
    return { kind: 'mac', text: lower.replaceAll(/[:-]/g, '').replaceAll(/(..)(?!$)/g, '$1:') };
  }
  return isIdentifyingUuid(lower) ? { kind: 'uuid', text: lower } : undefined;
}

/** @throws {UsageError} */
export function requireMachineKey(text: string): MachineKey {
  const key = machineKeyOf(text);
  if (key !== undefined) return key;
  throw new UsageError(
    UUID.test(text.trim().toLowerCase())
      ? `the UUID ${text} is on many machines, because their makers never set it; name the machine by its MAC address`
      : `"${text}" is neither a MAC address such as 52:54:00:12:34:56 nor a UUID as dmidecode -s system-uuid prints it`,
  );
}

/**
 * The bytes of a UUID as a machine may send them in DHCP option 97, in hex with colons. The PXE specification leaves open
 * whether they are those of SMBIOS (so iPXE and EDK2 have it) or those of the text (so some option ROMs have it).
 */
export function uuidOnTheWire(uuid: string): readonly string[] {
  const fields = uuid.split('-').map((field) => field.match(/../g) ?? []);
  const asText = fields.flat();
  const asStored = fields.flatMap((field, index) => (index < NUMBER_FIELDS ? field.toReversed() : field));
  return [...new Set([asStored.join(':'), asText.join(':')])];
}

import type { Inventory } from '@diskferry/protocol/inventory';

/** With the folder of the sockets and a disk it must fit into the 107 bytes of a unix socket's path. */
const MAX_NAME = 40;

/** What makers leave in a serial number that they did not fill in. */
const NO_SERIAL =
  /^(0+|1234567890?|0123456789|not (specified|available|applicable|settable|present)|none|null|n\/?a|unknown|invalid|default string|oem|chassis serial number|system serial number|serial number|to be filled by o\.?e\.?m\.?|x+|-+|\.+)$/i;
/** All zeros, all ones, and the one that several makers ship in every board. */
const NO_UUID = /^(0{8}-(0{4}-){3}0{12}|f{8}-(f{4}-){3}f{12}|03000200-0400-0500-0006-000700080009)$/i;

/**
 * The name of a computer, for people and for paths: the serial number on its case, else the UUID of its firmware, else
 * the address of its first network card. Stable over restarts; not proof of anything, and not unique by itself.
 */
export function computerName({ computer, nics }: Inventory): string {
  const { serial, uuid } = computer;
  const candidates = [
    serial === undefined || NO_SERIAL.test(serial.trim()) ? '' : serial,
    uuid === undefined || NO_UUID.test(uuid.trim()) ? '' : uuid,
    nics[0]?.mac.replaceAll(':', '-') ?? '',
  ];
  return candidates.map(asName).find((name) => name !== '') ?? 'computer';
}

/** Letters, digits, dashes and underscores: usable as a host in an address and as the name of a folder. */
function asName(text: string): string {
  return text
    .trim()
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, MAX_NAME);
}

import type { Inventory } from '@diskferry/protocol/inventory';
import { isIdentifyingSerial } from '../registry/bad-values/serials.ts';
import { isIdentifyingUuid } from '../registry/bad-values/uuids.ts';

/** With the folder of the sockets and a disk it must fit into the 107 bytes of a unix socket's path. */
const MAX_NAME = 40;

/**
 * The name of a computer, for people and for paths: the serial number on its case, else the UUID of its firmware, else
 * the address of its first network card. Stable over restarts; not proof of anything, and not unique by itself.
 */
export function computerName({ computer, nics }: Inventory): string {
  const { serial, uuid } = computer;
  const candidates = [
    serial !== undefined && isIdentifyingSerial(serial) ? serial : '',
    uuid !== undefined && isIdentifyingUuid(uuid) ? uuid : '',
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

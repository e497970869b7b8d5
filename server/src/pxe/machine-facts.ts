import type { MachineFacts } from './boot-decision.ts';
import { machineKeyOf } from './machine-key.ts';

/** Longer words come from no SMBIOS table. */
const MAX_WORD = 64;
const UNPRINTABLE = /[^\p{L}\p{N}\p{P}\p{S} ]/gu;

/** Reads what a machine says of itself in its question; undefined where no MAC address is in it. */
export function readMachineFacts(question: URLSearchParams, address: string): MachineFacts | undefined {
  const mac = machineKeyOf(question.get('mac') ?? '');
  if (mac?.kind !== 'mac') return undefined;
  const uuid = machineKeyOf(question.get('uuid') ?? '');
  // It goes to a terminal.
  const word = (name: string): string =>
    (question.get(name) ?? '').replaceAll(UNPRINTABLE, '').trim().slice(0, MAX_WORD);
  return {
    mac: mac.text,
    uuid: uuid?.kind === 'uuid' ? uuid.text : undefined,
    firmware: question.get('platform') === 'efi' ? 'uefi' : 'bios',
    address,
    manufacturer: word('manufacturer'),
    product: word('product'),
    serial: word('serial'),
  };
}

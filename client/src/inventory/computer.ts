import { existsSync } from 'node:fs';
import type { ComputerInfo } from '@diskferry/protocol/inventory';
import { readAttribute } from '../sysfs.ts';

/** Words that makers leave in SMBIOS tables that they did not fill in. */
const PLACEHOLDERS =
  /^(to be filled by o\.?e\.?m\.?|default string|system (manufacturer|product name|version|serial number)|not (specified|applicable|available)|none|unknown|n\/a|o\.?e\.?m\.?|0+|x+|\.+)$/i;

const WORDS = {
  manufacturer: 'sys_vendor',
  product: 'product_name',
  version: 'product_version',
  serial: 'product_serial',
  uuid: 'product_uuid',
  boardManufacturer: 'board_vendor',
  boardProduct: 'board_name',
  boardSerial: 'board_serial',
  biosVendor: 'bios_vendor',
  biosVersion: 'bios_version',
} as const satisfies Partial<Record<keyof ComputerInfo, string>>;

/** The firmware's words for the computer, from the SMBIOS tables as the kernel shows them. */
export function readComputer(sysRoot = '/sys'): ComputerInfo {
  const words = Object.entries(WORDS)
    .map(([key, attribute]) => [key, readAttribute(`${sysRoot}/class/dmi/id`, attribute)] as const)
    .filter(([, word]) => word !== undefined && !PLACEHOLDERS.test(word));
  return {
    ...(Object.fromEntries(words) as Partial<ComputerInfo>),
    firmware: existsSync(`${sysRoot}/firmware/efi`) ? 'uefi' : 'bios',
  };
}

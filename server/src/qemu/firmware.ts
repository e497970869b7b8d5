import { constants } from 'node:fs';
import { access, copyFile } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';
import type { MachineFirmware } from './machine-description.ts';

/** UEFI as two flash files: the code, and the machine's own copy of the variables. */
export interface FirmwareFiles {
  readonly code: string;
  readonly variables: string;
}

/** Where distributions put OVMF without Secure Boot: Debian and Ubuntu, Fedora, Arch. */
const OVMF_PLACES: readonly FirmwareFiles[] = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/x64/OVMF_CODE.4m.fd', variables: '/usr/share/edk2/x64/OVMF_VARS.4m.fd' },
];

/** OVMF that can enforce Secure Boot, and variables in which it does: Debian and Ubuntu, Fedora. */
const SECURE_BOOT_PLACES: readonly FirmwareFiles[] = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd' },
  {
    code: '/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd',
    variables: '/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd',
  },
];

/**
 * Finds OVMF and copies its fresh variables to `variablesPath`, so that no machine sees another one's boot entries.
 *
 * @throws {DiskferryError} `FIRMWARE_MISSING` when no OVMF is installed
 */
export async function prepareUefi(
  firmware: Exclude<MachineFirmware, 'bios'>,
  variablesPath: string,
): Promise<FirmwareFiles> {
  const places = firmware === 'uefi' ? OVMF_PLACES : SECURE_BOOT_PLACES;
  for (const { code, variables } of places) {
    if (!(await isReadable(code)) || !(await isReadable(variables))) continue;
    await copyFile(variables, variablesPath);
    return { code, variables: variablesPath };
  }
  throw new DiskferryError(
    'FIRMWARE_MISSING',
    `no UEFI firmware for virtual machines was found (${places[0]?.code}); install it with: apt-get install ovmf`,
  );
}

async function isReadable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

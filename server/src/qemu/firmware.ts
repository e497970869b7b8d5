import { constants } from 'node:fs';
import { access, copyFile } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';

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

/**
 * Finds OVMF and copies its empty variables to `variablesPath`, so that no machine sees another one's boot entries.
 *
 * @throws {DiskferryError} `FIRMWARE_MISSING` when no OVMF is installed
 */
export async function prepareUefi(variablesPath: string): Promise<FirmwareFiles> {
  for (const { code, variables } of OVMF_PLACES) {
    if (!(await isReadable(code)) || !(await isReadable(variables))) continue;
    await copyFile(variables, variablesPath);
    return { code, variables: variablesPath };
  }
  throw new DiskferryError(
    'FIRMWARE_MISSING',
    `no UEFI firmware for virtual machines was found (${OVMF_PLACES[0]?.code}); install it with: apt-get install ovmf`,
  );
}

async function isReadable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

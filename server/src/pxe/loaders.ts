import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { installHint } from '@diskferry/system/packages';
import { RefusedError } from '../refused-error.ts';

/** What a kind of firmware loads first. */
export interface Loader {
  /** Also a tag of dnsmasq's settings. */
  readonly name: 'bios' | 'uefi' | 'uefi-http' | 'uefi-signed';
  /** Whether it is for machines that start signed loaders only, in place of all others for the same firmware. */
  readonly signed?: boolean;
  /** Processor architectures as in DHCP option 93 (RFC 4578; IANA, "Processor Architecture Types"). */
  readonly architectures: readonly number[];
  /** How the firmware gets the file. */
  readonly by: 'tftp' | 'http';
  /** A file of this server, served by its last name. */
  readonly path: string;
}

/** Where Debian's package has iPXE. */
const IPXE_FOLDER = '/usr/lib/ipxe';

/**
 * The first loader of each firmware. On UEFI that is the iPXE which uses the firmware's own network driver: the card has
 * one, since it has just started from it. 7 and 9 both are x86-64; real firmware sends 7, the registry says 9.
 */
export const LOADERS: readonly Loader[] = [
  { name: 'bios', architectures: [0], by: 'tftp', path: join(IPXE_FOLDER, 'undionly.kpxe') },
  { name: 'uefi', architectures: [7, 9], by: 'tftp', path: join(IPXE_FOLDER, 'snponly.efi') },
  { name: 'uefi-http', architectures: [16], by: 'http', path: join(IPXE_FOLDER, 'snponly.efi') },
];

/** What shim loads, from the folder that it came from itself. */
export const SIGNED_GRUB = 'grubx64.efi';

/**
 * The loader of UEFI machines that enforce Secure Boot: shim, with GRUB behind it. Undefined where they were not built. It is
 * offered by TFTP only: Debian's signed GRUB has no HTTP, and so finds nothing after an HTTP boot.
 */
export function signedLoader(filesFolder: string): Loader | undefined {
  const path = join(filesFolder, 'shimx64.efi');
  if (!existsSync(path) || !existsSync(join(filesFolder, SIGNED_GRUB))) return undefined;
  return { name: 'uefi-signed', signed: true, architectures: [7, 9], by: 'tftp', path };
}

/** Which loader a machine gets; undefined if there is none for its architecture. */
export function chooseLoader(
  loaders: readonly Loader[],
  architecture: number,
  wantsSigned: boolean,
): Loader | undefined {
  const fitting = loaders.filter(({ architectures }) => architectures.includes(architecture));
  const isSigned = ({ signed = false }: Loader): boolean => signed;
  return (wantsSigned ? fitting.find(isSigned) : undefined) ?? fitting.find((loader) => !isSigned(loader));
}

/** How a loader is named to the firmware: a file of TFTP, or a URL. */
export function loaderFile({ by, path }: Loader, httpUrl: string): string {
  return by === 'tftp' ? basename(path) : `${httpUrl}/loader/${basename(path)}`;
}

/** @throws {RefusedError} `IPXE_MISSING` */
export function requireLoaders(): void {
  const missing = LOADERS.find(({ path }) => !existsSync(path));
  if (missing === undefined) return;
  throw new RefusedError(
    'IPXE_MISSING',
    `the boot loader ${missing.path} is missing; ${installHint('ipxe')}`,
  );
}

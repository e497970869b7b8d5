import { join } from 'node:path';
import type { PackageName } from '../packages/package-names.ts';

type Folders = Readonly<Record<PackageName, string>>;

/** Debian's shim: Microsoft signed it, and it accepts what Debian signed. */
export function signedShim(folders: Folders): string {
  return join(folders['shim-signed'], 'usr/lib/shim/shimx64.efi.signed');
}

/** Debian's GRUB, in its variant for CDs or for the network. */
export function signedGrub(folders: Folders, variant: 'gcdx64' | 'grubnetx64'): string {
  return join(folders['grub-efi-amd64-signed'], `usr/lib/grub/x86_64-efi-signed/${variant}.efi.signed`);
}

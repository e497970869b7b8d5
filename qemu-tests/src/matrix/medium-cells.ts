import type { MachineFirmware } from '@diskferry/server/qemu/machine-description';

export const FIRMWARES = ['bios', 'uefi', 'uefi-secure-boot'] as const satisfies readonly MachineFirmware[];
export const MEDIA_KINDS = ['cd', 'usb-stick', 'pxe', 'http'] as const;
type MediaKind = (typeof MEDIA_KINDS)[number];

/** One way to start a computer. */
export interface MediumCell {
  readonly firmware: MachineFirmware;
  readonly medium: MediaKind;
}

/** All but HTTP on a BIOS, which knows no such thing. */
export function mediumCells(): MediumCell[] {
  return FIRMWARES.flatMap((firmware) => MEDIA_KINDS.map((medium) => ({ firmware, medium }))).filter(
    ({ firmware, medium }) => firmware !== 'bios' || medium !== 'http',
  );
}

/** Such as "uefi-cd". */
export function mediumName({ firmware, medium }: MediumCell): string {
  return `${firmware}-${medium}`;
}

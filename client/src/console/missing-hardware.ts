import { basename } from 'node:path';
import { listFolder, readAttribute, resolveLink } from '../sysfs.ts';

/** The first byte of a PCI class, from the "PCI Code and ID Assignment Specification". */
const CLASSES = { '01': 'storage', '02': 'network' } as const;

/** A PCI device by which disks or networks are reached, or would be. */
export interface Controller {
  readonly kind: (typeof CLASSES)[keyof typeof CLASSES];
  /** VENDOR:DEVICE in hex, such as 8086:10d3, as `lspci -n` has it. */
  readonly id: string;
  /** The driver that drives it; undefined where none of the medium does. */
  readonly driver: string | undefined;
}

/** What should bring disks and network cards. Where one brings none, its driver is missing or has failed. */
export function readControllers(sysRoot = '/sys'): readonly Controller[] {
  const folder = `${sysRoot}/bus/pci/devices`;
  return listFolder(folder).flatMap((name) => readController(`${folder}/${name}`));
}

function readController(folder: string): Controller[] {
  const code = readAttribute(folder, 'class')?.slice(2, 4);
  const kind = code === '01' || code === '02' ? CLASSES[code] : undefined;
  if (kind === undefined) return [];
  const driver = resolveLink(`${folder}/driver`);
  const id = ['vendor', 'device'].map((word) => readAttribute(folder, word)?.slice(2) ?? '?').join(':');
  return [{ kind, id, driver: driver === undefined ? undefined : basename(driver) }];
}

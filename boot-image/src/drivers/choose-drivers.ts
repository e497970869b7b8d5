import { dirname } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import type { DriverEntry } from './driver-list.ts';
import { canonicalName, moduleName, type ModuleIndex } from './module-index.ts';

/** Kernel folders whose drivers someone may look for in vain: what is left out of them is reported. */
const REPORTED_FOLDERS = [
  // Memory modules that keep what they hold: "drivers/nvdimm" makes disks of them.
  'drivers/acpi/nfit',
  'drivers/ata',
  'drivers/block',
  'drivers/firewire',
  'drivers/memstick',
  'drivers/message',
  'drivers/mmc',
  'drivers/net/ethernet',
  'drivers/net/hyperv',
  'drivers/net/usb',
  'drivers/net/vmxnet3',
  'drivers/nvdimm',
  'drivers/nvme',
  'drivers/scsi',
  'drivers/ufs',
  'drivers/usb/storage',
];

/**
 * The paths of the listed drivers and of all modules that they need, sorted.
 *
 * @throws {DiskferryError} `DRIVER_ABSENT` naming every entry that the kernel package does not have
 */
export function chooseDrivers(entries: readonly DriverEntry[], index: ModuleIndex): string[] {
  const absent = entries.filter((entry) => modulesOf(entry, index).length === 0);
  if (absent.length > 0) {
    const list = absent.map((entry) => `${entry.where}: ${nameOf(entry)}`).join('\n');
    throw new DiskferryError(
      'DRIVER_ABSENT',
      `the kernel package has no such drivers, correct the lists:\n${list}`,
    );
  }
  return withNeeds(
    entries.flatMap((entry) => modulesOf(entry, index)),
    index,
  );
}

/** All further storage and network drivers of the kernel package, and the modules that they need besides the chosen. */
export function extraDrivers(chosen: readonly string[], index: ModuleIndex): string[] {
  const taken = new Set(chosen);
  return withNeeds(leftOut(chosen, index).map(moduleName), index).filter((path) => !taken.has(path));
}

function withNeeds(names: readonly string[], index: ModuleIndex): string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const other of index.needs.get(name) ?? []) visit(other);
  };
  for (const name of names) visit(name);
  return [...found].flatMap((name) => index.paths.get(name) ?? []).sort();
}

/** Paths of the storage and network drivers of the kernel package that were not chosen, sorted. */
export function leftOut(chosen: readonly string[], index: ModuleIndex): string[] {
  const taken = new Set(chosen);
  return [...index.paths.values()]
    .filter((path) => !taken.has(path) && REPORTED_FOLDERS.some((folder) => isBelow(path, folder)))
    .sort();
}

function modulesOf(entry: DriverEntry, index: ModuleIndex): string[] {
  if (entry.kind === 'driver') {
    const name = canonicalName(entry.name);
    return index.paths.has(name) ? [name] : [];
  }
  return [...index.paths].filter(([, path]) => isBelow(path, entry.folder)).map(([name]) => name);
}

function isBelow(path: string, folder: string): boolean {
  return `${dirname(path)}/`.startsWith(`kernel/${folder}/`);
}

function nameOf(entry: DriverEntry): string {
  return entry.kind === 'driver' ? entry.name : `${entry.folder}/*`;
}

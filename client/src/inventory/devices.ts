import { basename } from 'node:path';
import type { DeviceInfo } from '@diskferry/protocol/inventory';
import { listFolder, readAttribute, resolveLink } from '../sysfs.ts';

type Describe = (folder: string) => Omit<DeviceInfo, 'bus'> | undefined;

/** How the devices of a bus say what they are; undefined for what cannot be read. */
const BUSES: Readonly<Record<string, Describe>> = {
  pci: describePci,
  vmbus: (folder) => idFrom(readAttribute(folder, 'class_id')?.replaceAll(/[{}]/g, '')),
  // A modalias such as "xen:vbd".
  xen: (folder) => idFrom(readAttribute(folder, 'modalias')?.replace(/^xen:/, '')),
};

/**
 * Reads the devices of the computer's buses, in the order of their addresses. What a device is, is read once, because there
 * are hundreds in a large server and this is called every few seconds; its driver may come later. Those of a dock are left
 * out: they come and go, and say nothing of the computer.
 */
export function deviceReader(sysRoot = '/sys'): () => DeviceInfo[] {
  let known: ReadonlyMap<string, DeviceInfo | undefined> = new Map();
  return () => {
    // Whose folder is gone is forgotten: the next device at its address may be another one.
    known = new Map(
      Object.entries(BUSES).flatMap(([bus, describe]) =>
        listFolder(`${sysRoot}/bus/${bus}/devices`)
          .toSorted()
          .map((name) => `${sysRoot}/bus/${bus}/devices/${name}`)
          .map(
            (folder) =>
              [folder, known.has(folder) ? known.get(folder) : identify(bus, folder, describe)] as const,
          ),
      ),
    );
    return [...known].flatMap(([folder, device]) =>
      device === undefined ? [] : [{ ...device, ...driverOf(folder) }],
    );
  };
}

function identify(bus: string, folder: string, describe: Describe): DeviceInfo | undefined {
  if (readAttribute(folder, 'removable') === 'removable') return undefined;
  const identity = describe(folder);
  return identity === undefined ? undefined : { bus, ...identity };
}

function describePci(folder: string): Omit<DeviceInfo, 'bus'> | undefined {
  const hex = (name: string): string => readAttribute(folder, name)?.replace(/^0x/, '') ?? '';
  const [vendor, device, subVendor, subDevice] = [
    hex('vendor'),
    hex('device'),
    hex('subsystem_vendor'),
    hex('subsystem_device'),
  ];
  if (vendor === '' || device === '') return undefined;
  const subsystem = subVendor === '' || subDevice === '' ? {} : { subsystem: `${subVendor}:${subDevice}` };
  // The last two digits are a programming interface, which drivers of one sub-class seldom ask for.
  const deviceClass = hex('class').slice(0, 4);
  return { id: `${vendor}:${device}`, ...subsystem, ...(deviceClass === '' ? {} : { class: deviceClass }) };
}

function idFrom(id: string | undefined): { id: string } | undefined {
  return id === undefined ? undefined : { id };
}

function driverOf(folder: string): { driver?: string } {
  const driver = resolveLink(`${folder}/driver`);
  return driver === undefined ? {} : { driver: basename(driver) };
}

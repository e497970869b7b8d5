import { createHash } from 'node:crypto';
import type { DeviceInfo, Firmware, Inventory } from '@diskferry/protocol/inventory';
import { canonicalJson } from './canonical-json.ts';

/**
 * What equal machines have in common: all that an operating system must have drivers for or is configured by. Not in it:
 *
 * - serial numbers, MAC addresses, sizes of disks: they differ between equal machines;
 * - the amount of memory: modules are added and taken away, and no system has to be changed for them;
 * - the version of the firmware: an update would make another machine of it;
 * - how many of one thing there are: two equal cards need one driver;
 * - the makers of NVMe disks, which are PCI devices themselves: they have one driver, and swapping a disk changes no hardware.
 */
export interface HardwareDescription {
  /** Raised whenever equal machines would get another text than before. */
  readonly format: 1;
  readonly manufacturer?: string;
  readonly product?: string;
  readonly version?: string;
  readonly boardManufacturer?: string;
  readonly boardProduct?: string;
  readonly firmware: Firmware;
  readonly biosVendor?: string;
  readonly processor: { readonly model: string; readonly sockets: number; readonly cores: number };
  /** Each sorted, as "BUS ID". */
  readonly chipset: readonly string[];
  readonly storage: readonly string[];
  readonly network: readonly string[];
}

/** Not all: a field that is added to inventories must not change the hashes of records that are there. */
const WORDS = [
  'manufacturer',
  'product',
  'version',
  'boardManufacturer',
  'boardProduct',
  'biosVendor',
  'firmware',
] as const satisfies readonly (keyof Inventory['computer'])[];
/** Base classes and classes of PCI (PCI Code and ID Assignment Specification). */
const STORAGE = '01';
const NVME = '0108';
const NETWORK = '02';
const HOST_BRIDGE = '0600';
const ISA_BRIDGE = '0601';
/** GUIDs of the kernel's hyperv.h: SCSI, IDE, network. */
const VMBUS_STORAGE = ['ba6163d9-04a1-4d29-b605-72e2ffb1dc7f', '32412632-86cb-44a2-9b5c-50d1417354f5'];
const VMBUS_NETWORK = ['f8615163-df3e-46c5-913f-f2d2f965ed0e'];

export function describeHardware({
  computer,
  processors,
  nics,
  disks,
  devices,
}: Inventory): HardwareDescription {
  const words = Object.fromEntries(WORDS.map((word) => [word, computer[word]])) as Pick<
    Inventory['computer'],
    (typeof WORDS)[number]
  >;
  const { model, sockets, cores } = processors;
  const processor = { model, sockets, cores };
  if (devices === undefined) {
    // A client that does not tell devices: by drivers and transports, as far as they are built in.
    const drivers = nics.flatMap(({ driver, bus }) =>
      driver === undefined || bus === 'usb' ? [] : [`driver ${driver}`],
    );
    const transports = disks
      .filter(({ transport }) => transport !== 'usb')
      .map(({ transport }) => `transport ${transport}`);
    const parts = { chipset: [], storage: sortedOnce(transports), network: sortedOnce(drivers) };
    return { format: 1, ...words, processor, ...parts };
  }
  const those = (wanted: (device: DeviceInfo) => boolean): readonly string[] =>
    sortedOnce(devices.filter(wanted).map(nameOf));
  return {
    format: 1,
    ...words,
    processor,
    chipset: those(({ class: word }) => word === HOST_BRIDGE || word === ISA_BRIDGE),
    storage: those(isStorage),
    network: those(isNetwork),
  };
}

/** SHA-256 of the canonical JSON, in hexadecimal digits. */
export function hardwareHash(description: HardwareDescription): string {
  return createHash('sha256')
    .update(canonicalJson({ ...description }))
    .digest('hex');
}

/** For lists: "Dell Inc. OptiPlex 7060, UEFI". */
export function hardwareTitle({ manufacturer, product, firmware }: HardwareDescription): string {
  const words = [manufacturer, product].filter((word) => word !== undefined).join(' ');
  return `${words === '' ? 'unknown computer' : words}, ${firmware === 'uefi' ? 'UEFI' : 'BIOS'}`;
}

function isStorage({ bus, id, class: word = '' }: DeviceInfo): boolean {
  if (bus === 'vmbus') return VMBUS_STORAGE.includes(id);
  return bus === 'xen' ? id === 'vbd' : word.startsWith(STORAGE);
}

function isNetwork({ bus, id, class: word = '' }: DeviceInfo): boolean {
  if (bus === 'vmbus') return VMBUS_NETWORK.includes(id);
  return bus === 'xen' ? id === 'vif' : word.startsWith(NETWORK);
}

function nameOf({ bus, id, class: word }: DeviceInfo): string {
  return word === NVME ? 'pci nvme' : `${bus} ${id}`;
}

function sortedOnce(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted();
}

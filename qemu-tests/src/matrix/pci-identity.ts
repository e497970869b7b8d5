import type { Machine } from '@diskferry/server/qemu/machine';

interface PciBus {
  readonly devices: readonly PciDevice[];
}

/** Of QMP's answer to query-pci. */
interface PciDevice {
  readonly qdev_id: string;
  readonly id: {
    readonly vendor: number;
    readonly device: number;
    readonly 'subsystem-vendor'?: number;
    readonly subsystem?: number;
  };
  readonly class_info: { readonly class: number };
  readonly pci_bridge?: { readonly devices?: readonly PciDevice[] };
}

/**
 * The names by which the kernel looks for drivers of the PCI devices of a machine, such as
 * "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00", by the ids of QEMU's command line. QMP does not tell the last byte.
 */
export async function pciIdentities(machine: Machine): Promise<ReadonlyMap<string, string>> {
  const buses = (await machine.qmp({ execute: 'query-pci' })) as readonly PciBus[];
  return new Map(buses.flatMap(({ devices }) => devices.flatMap(withInner)).map(named));
}

function withInner(device: PciDevice): PciDevice[] {
  return [device, ...(device.pci_bridge?.devices ?? []).flatMap(withInner)];
}

function named({ qdev_id: name, id, class_info: { class: code } }: PciDevice): [string, string] {
  const hex = (value: number, length: number): string =>
    value.toString(16).toUpperCase().padStart(length, '0');
  const words = [
    `pci:v${hex(id.vendor, 8)}d${hex(id.device, 8)}`,
    `sv${hex(id['subsystem-vendor'] ?? 0, 8)}sd${hex(id.subsystem ?? 0, 8)}`,
    `bc${hex(code >> 8, 2)}sc${hex(code & 0xff, 2)}i00`,
  ];
  return [name, words.join('')];
}

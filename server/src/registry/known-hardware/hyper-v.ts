import type { KnownHardware, KnownPart } from './known-hardware.ts';
import { PIIX4_IDE } from './parts.ts';

/*
 * Hyper-V and Azure. Words: kernel messages of such machines ("Microsoft Corporation Virtual Machine/Virtual Machine, BIOS
 * Hyper-V UEFI Release v4.1"); generation 1 has a BIOS of American Megatrends. GUIDs: include/linux/hyperv.h of Linux.
 */

const WORDS = { manufacturer: /^Microsoft Corporation$/, product: /^Virtual Machine$/ };

const VMBUS_SCSI: KnownPart = {
  name: 'Hyper-V SCSI',
  bus: 'vmbus',
  id: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
  driver: 'hv_storvsc',
};
/** The same disks as those of PIIX4, by a faster way. */
const VMBUS_IDE: KnownPart = {
  name: 'Hyper-V IDE',
  bus: 'vmbus',
  id: '32412632-86cb-44a2-9b5c-50d1417354f5',
  driver: 'hv_storvsc',
};
const VMBUS_NETWORK: KnownPart = {
  name: 'Hyper-V network',
  bus: 'vmbus',
  id: 'f8615163-df3e-46c5-913f-f2d2f965ed0e',
  driver: 'hv_netvsc',
};
/** The only card from which generation 1 starts over the network. */
const LEGACY_NETWORK: KnownPart = { name: 'DEC 21140', bus: 'pci', id: '1011:0009', driver: 'tulip' };

export const HYPER_V_1: KnownHardware = {
  id: 'hyper-v-1',
  title: 'Hyper-V, generation 1',
  firmware: ['bios'],
  words: WORDS,
  // Intel 440BX without AGP.
  hostBridges: ['8086:7192'],
  storage: [PIIX4_IDE, VMBUS_IDE, VMBUS_SCSI],
  network: [VMBUS_NETWORK, LEGACY_NETWORK],
};

export const HYPER_V_2: KnownHardware = {
  id: 'hyper-v-2',
  title: 'Hyper-V, generation 2',
  firmware: ['uefi'],
  words: WORDS,
  // It has no PCI bus, unless cards of the host are passed through.
  hostBridges: [],
  storage: [VMBUS_SCSI],
  network: [VMBUS_NETWORK],
};

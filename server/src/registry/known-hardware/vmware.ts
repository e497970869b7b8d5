import type { KnownHardware, KnownPart } from './known-hardware.ts';
import * as part from './parts.ts';

/*
 * VMware by version of the virtual hardware. What each has: the table "Features available with virtual machine
 * compatibility" of vSphere 6.7, 7.0 and 8.0. Versions without a change of storage, network or firmware are not listed: a
 * machine of version 12 is one of 11 here.
 *
 * What a machine tells of its version: until 19 "VMware Virtual Platform" with a BIOS and "VMware7,1" with UEFI, whatever
 * the version; from 20 on "VMware20,1" (kernel messages of such machines, 2022 and later). So older ones are recognised as
 * the lowest version that has all that they show.
 */

const OLD_WORDS = { manufacturer: /^VMware, Inc\.$/, product: /^VMware(7,1$| Virtual Platform$)/ };
/** Intel 440BX. */
const HOST_BRIDGES = ['8086:7190'];

const FLEXIBLE: KnownPart = { name: 'VMware VMXNET', bus: 'pci', id: '15ad:0720', driver: 'vmxnet' };
const AHCI: KnownPart = { name: 'VMware AHCI', bus: 'pci', id: '15ad:07e0', driver: 'ahci' };
const NVME: KnownPart = { name: 'VMware NVMe', bus: 'pci', id: '15ad:07f0', driver: 'nvme' };

const STORAGE_4 = [part.PIIX4_IDE, part.BUSLOGIC, part.LSI_LOGIC];
const STORAGE_7 = [...STORAGE_4, part.LSI_SAS, part.PVSCSI];
const STORAGE_10 = [...STORAGE_7, AHCI];
const STORAGE_13 = [...STORAGE_10, NVME];
const NETWORK_4 = [part.PCNET, FLEXIBLE, part.E1000_82545EM];
const NETWORK_7 = [...NETWORK_4, part.VMXNET3];
const NETWORK_8 = [...NETWORK_7, part.E1000E];

function version(
  number: number,
  product: string,
  parts: Pick<KnownHardware, 'firmware' | 'storage' | 'network'>,
  words: KnownHardware['words'] = OLD_WORDS,
): KnownHardware {
  const title = `VMware, virtual hardware ${number} (${product})`;
  return { id: `vmware-${number}`, title, words, hostBridges: HOST_BRIDGES, ...parts };
}

/** From the oldest to the newest. */
export const VMWARE: readonly KnownHardware[] = [
  version(4, 'ESX 3', { firmware: ['bios'], storage: STORAGE_4, network: NETWORK_4 }),
  version(7, 'ESX 4', { firmware: ['bios'], storage: STORAGE_7, network: NETWORK_7 }),
  version(8, 'ESXi 5.0', { firmware: ['bios', 'uefi'], storage: STORAGE_7, network: NETWORK_8 }),
  version(10, 'ESXi 5.5', { firmware: ['bios', 'uefi'], storage: STORAGE_10, network: NETWORK_8 }),
  version(13, 'ESXi 6.5', { firmware: ['bios', 'uefi'], storage: STORAGE_13, network: NETWORK_8 }),
  version(
    20,
    'ESXi 8.0',
    { firmware: ['bios', 'uefi'], storage: STORAGE_13, network: NETWORK_8 },
    // Later numbers have followed the same form.
    { manufacturer: /^VMware, Inc\.$/, product: /^VMware[2-9]\d,\d+$/ },
  ),
];

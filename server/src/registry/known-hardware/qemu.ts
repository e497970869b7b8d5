import type { KnownHardware, KnownPart } from './known-hardware.ts';
import * as part from './parts.ts';

/*
 * QEMU and what is built on it: KVM with libvirt, Proxmox, oVirt. Words: hw/i386/pc_piix.c and pc_q35.c set manufacturer,
 * product and version of the SMBIOS tables; products that set words of their own (OpenStack) are known by the host bridge
 * and its subsystem 1af4:1100, see recognise.ts. Checked with QEMU 7.2 of Debian 12: testing/qemu-*.json.
 */

const WORDS = { manufacturer: /^QEMU$/ };

const NVME: KnownPart = { name: 'QEMU NVMe', bus: 'pci', id: '1b36:0010', driver: 'nvme' };
const VIRTIO_STORAGE = [part.VIRTIO_BLOCK, part.VIRTIO_BLOCK_1, part.VIRTIO_SCSI, part.VIRTIO_SCSI_1];
const SCSI = [part.LSI_53C895A, part.LSI_SAS, part.PVSCSI, NVME];
const NETWORK = [
  part.VIRTIO_NET,
  part.VIRTIO_NET_1,
  part.E1000_82540EM,
  part.E1000E,
  part.RTL8139,
  part.PCNET,
  part.VMXNET3,
];

/** Machine type "pc". */
export const QEMU_I440FX: KnownHardware = {
  id: 'qemu-i440fx',
  title: 'QEMU/KVM, i440FX',
  firmware: ['bios', 'uefi'],
  words: { ...WORDS, product: /i440FX/i },
  hostBridges: ['8086:1237'],
  storage: [part.PIIX3_IDE, ...VIRTIO_STORAGE, part.ICH9_AHCI, ...SCSI],
  network: NETWORK,
};

/** Machine type "q35". */
export const QEMU_Q35: KnownHardware = {
  id: 'qemu-q35',
  title: 'QEMU/KVM, Q35',
  firmware: ['bios', 'uefi'],
  words: { ...WORDS, product: /Q35/i },
  hostBridges: ['8086:29c0'],
  storage: [part.ICH9_AHCI, ...VIRTIO_STORAGE, ...SCSI],
  network: NETWORK,
};

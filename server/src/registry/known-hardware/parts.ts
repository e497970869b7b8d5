import type { KnownPart } from './known-hardware.ts';

/*
 * Parts that several products imitate. Identities: pci.ids of Debian (0.0~2023.04.11); drivers: the tables of PCI identities
 * in the modules of Linux 6.1.
 */

function pci(name: string, id: string, driver: string): KnownPart {
  return { name, bus: 'pci', id, driver };
}

export const PIIX3_IDE = pci('IDE of Intel PIIX3', '8086:7010', 'ata_piix');
export const PIIX4_IDE = pci('IDE of Intel PIIX4', '8086:7111', 'ata_piix');
export const ICH9_AHCI = pci('AHCI of Intel ICH9', '8086:2922', 'ahci');
export const ICH8M_AHCI = pci('AHCI of Intel ICH8M', '8086:2829', 'ahci');
export const BUSLOGIC = pci('BusLogic BT-946C', '104b:1040', 'BusLogic');
export const LSI_53C895A = pci('LSI 53C895A', '1000:0012', 'sym53c8xx');
export const LSI_LOGIC = pci('LSI 53C1030', '1000:0030', 'mptspi');
export const LSI_SAS = pci('LSI SAS1068', '1000:0054', 'mptsas');
export const PVSCSI = pci('VMware PVSCSI', '15ad:07c0', 'vmw_pvscsi');
/** Virtio devices have one identity as devices of version 0.9.5 and another since 1.0 (virtio specification, 4.1.2). */
export const VIRTIO_BLOCK = pci('virtio block', '1af4:1001', 'virtio_blk');
export const VIRTIO_BLOCK_1 = pci('virtio 1.0 block', '1af4:1042', 'virtio_blk');
export const VIRTIO_SCSI = pci('virtio SCSI', '1af4:1004', 'virtio_scsi');
export const VIRTIO_SCSI_1 = pci('virtio 1.0 SCSI', '1af4:1048', 'virtio_scsi');

export const VIRTIO_NET = pci('virtio network', '1af4:1000', 'virtio_net');
export const VIRTIO_NET_1 = pci('virtio 1.0 network', '1af4:1041', 'virtio_net');
export const PCNET = pci('AMD PCnet', '1022:2000', 'pcnet32');
export const E1000_82540EM = pci('Intel 82540EM', '8086:100e', 'e1000');
export const E1000_82543GC = pci('Intel 82543GC', '8086:1004', 'e1000');
export const E1000_82545EM = pci('Intel 82545EM', '8086:100f', 'e1000');
export const E1000E = pci('Intel 82574L', '8086:10d3', 'e1000e');
export const RTL8139 = pci('Realtek RTL8139', '10ec:8139', '8139cp');
export const VMXNET3 = pci('VMware VMXNET3', '15ad:07b0', 'vmxnet3');

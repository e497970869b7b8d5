import type { KnownHardware, KnownPart } from './known-hardware.ts';
import * as part from './parts.ts';

/*
 * VirtualBox. Words: its manual, 9.12 "Configuring the BIOS DMI information", gives the defaults: "innotek GmbH",
 * "VirtualBox", board of "Oracle Corporation". Parts: manual, 5.1 "Hard disk controllers" and 6.1 "Virtual networking
 * hardware"; identities by pci.ids and its sources (DevNVMe.cpp).
 */

const NVME: KnownPart = { name: 'VirtualBox NVMe', bus: 'pci', id: '80ee:4e56', driver: 'nvme' };

export const VIRTUALBOX: KnownHardware = {
  id: 'virtualbox',
  title: 'VirtualBox',
  firmware: ['bios', 'uefi'],
  words: { manufacturer: /^(innotek GmbH|Oracle Corporation)$/, product: /^VirtualBox$/ },
  // The chipsets PIIX3 and ICH9.
  hostBridges: ['8086:1237', '8086:29c0'],
  storage: [
    part.PIIX4_IDE,
    part.ICH8M_AHCI,
    part.LSI_LOGIC,
    part.LSI_SAS,
    part.BUSLOGIC,
    NVME,
    part.VIRTIO_SCSI_1,
  ],
  network: [part.PCNET, part.E1000_82540EM, part.E1000_82543GC, part.E1000_82545EM, part.VIRTIO_NET],
};

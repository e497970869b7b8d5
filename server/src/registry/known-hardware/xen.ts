import type { KnownHardware } from './known-hardware.ts';
import * as part from './parts.ts';

/*
 * Xen with full virtualization (HVM), as XenServer, XCP-ng and older Amazon EC2 have it. Words: tools/firmware/hvmloader/
 * smbios.c of Xen ("Xen", "HVM domU", version of Xen). The emulated parts are QEMU's; Xen's own are on its bus (Linux:
 * drivers/xen/xenbus).
 */
export const XEN_HVM: KnownHardware = {
  id: 'xen-hvm',
  title: 'Xen, HVM',
  firmware: ['bios', 'uefi'],
  words: { manufacturer: /^Xen$/, product: /^HVM domU$/ },
  hostBridges: ['8086:1237'],
  storage: [
    { name: 'Xen block', bus: 'xen', id: 'vbd', driver: 'xen-blkfront' },
    part.PIIX3_IDE,
    part.LSI_53C895A,
    part.ICH9_AHCI,
  ],
  network: [
    { name: 'Xen network', bus: 'xen', id: 'vif', driver: 'xen-netfront' },
    part.RTL8139,
    part.E1000_82540EM,
  ],
};

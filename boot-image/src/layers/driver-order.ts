import { basename } from 'node:path';
import { listTree } from './list-tree.ts';

/** What every start reads: the lists of modprobe. */
const LIST = /^modules\./;
/**
 * Drivers that nearly every computer loads at its start, or that most virtual machines do. What is next to each other in the image
 * is unpacked together: a block of 1 MB takes 0.1 s there (emulated), and a start that finds its drivers in two blocks instead of in
 * ten is a second faster.
 */
const COMMON = new Set(
  (
    'button evdev libata scsi_mod scsi_common sd_mod sr_mod cdrom t10-pi crc-t10dif crct10dif_common crc64 crc64-rocksoft ' +
    'crc64-rocksoft_generic ahci libahci ata_piix nvme nvme-core usbcore usb-common xhci-hcd xhci-pci ehci-hcd ehci-pci uhci-hcd ' +
    'usb-storage uas hid usbhid hid-generic e1000 e1000e igb r8169 realtek libphy mii ptp pps_core ' +
    'virtio virtio_ring virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev virtio_net net_failover failover virtio_blk virtio_scsi'
  ).split(' '),
);
const [LISTS_FIRST, THEN_COMMON] = [2000, 1000];

/** The order of the files of the layer of drivers, as mksquashfs reads it: paths with priorities; what is not named has 0. */
export async function driverOrder(folder: string): Promise<string> {
  const lines = (await listTree(folder)).flatMap((path) => {
    const name = basename(path);
    if (LIST.test(name)) return [`${path} ${LISTS_FIRST}\n`];
    return COMMON.has(name.replace(/\.ko$/, '')) ? [`${path} ${THEN_COMMON}\n`] : [];
  });
  return lines.join('');
}

import type { DiskTransport } from '@diskferry/protocol/inventory';
import { readAttribute } from '../sysfs.ts';

/**
 * How a disk is attached, by its place in the tree of devices. The nearest bus to the disk decides, except that a
 * SATA disk in a USB case is a USB disk, as people see it.
 *
 * @param devicePath the path of the block device in sysfs without symbolic links, such as
 *   "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda"
 */
export function transportOf(name: string, devicePath: string): DiskTransport {
  if (name.startsWith('nvme')) return 'nvme';
  if (name.startsWith('mmcblk')) return 'mmc';
  if (name.startsWith('vd')) return 'virtio';
  if (/\/usb\d+\//.test(devicePath)) return 'usb';
  if (/\/end_device-[\d:]+\//.test(devicePath)) return 'sas';
  const port = /^.*\/ata\d+(?=\/)/.exec(devicePath)?.[0];
  if (port !== undefined) return ataTransport(port);
  return /\/host\d+\/target[\d:]+\//.test(devicePath) ? 'scsi' : 'unknown';
}

/** libata drives both; only a serial link has a speed, and one of parallel ATA reads "<unknown>". */
function ataTransport(port: string): 'sata' | 'ata' {
  const link = `link${/\d+$/.exec(port)?.[0]}`;
  return readAttribute(port, `${link}/ata_link/${link}/sata_spd`) === '<unknown>' ? 'ata' : 'sata';
}

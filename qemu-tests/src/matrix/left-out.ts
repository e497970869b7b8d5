import type { QemuDevice } from './qemu-devices.ts';

const DISKS = 'a disk, tested with every controller that it fits';
const OTHER_COMPUTER =
  'the same device to the computer as its namesake without "vhost"; another program on the host serves it';
const FILES = 'shares files; it is no disk';
const ISA =
  'ISA cards cannot be found without trying ports blindly; computers with ISA slots run no 64-bit system';

/** Devices of QEMU without a cell of their own, and why. */
const REASONS: readonly { readonly name: RegExp; readonly reason: string }[] = [
  { name: /^(ide-hd|scsi-hd|sd-card)$/, reason: DISKS },
  { name: /^(ide|scsi)-cd$/, reason: 'a CD drive, tested by starting from it; the client does not serve it' },
  { name: /^(floppy|isa-fdc)$/, reason: 'the client leaves floppy drives out' },
  { name: /^scsi-(block|generic)$/, reason: 'hands a SCSI device of the host on' },
  { name: /^vhost-(user-)?(blk|scsi)/, reason: OTHER_COMPUTER },
  { name: /^(virtio-9p|vhost-user-fs|usb-mtp)/, reason: FILES },
  { name: /^(ne2k_isa|isa-ide)$/, reason: ISA },
  { name: /^cxl-type3$/, reason: 'memory on CXL, which software makes disks of; it is no disk by itself' },
  { name: /^virtio-pmem$/, reason: 'the inner half of virtio-pmem-pci' },
  { name: /^pvrdma$/, reason: 'carries remote memory access beside a vmxnet3 card; it is no card for IP' },
];

/** Why a device is not tested; undefined for one that ought to be. */
export function reasonToLeaveOut({ name }: QemuDevice): string | undefined {
  return REASONS.find((entry) => entry.name.test(name))?.reason;
}

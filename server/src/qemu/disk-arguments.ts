import { DiskferryError } from '@diskferry/system/errors';
import type { MachineDisk } from './machine-description.ts';

/** Ports of the additional AHCI controller. */
const AHCI_PORTS = 6;
/** IDE channels hold two disks; the second disk of the second channel is the CD's place. */
const IDE_DISKS = 3;

/** The words of QEMU's command line for the controllers and the disks, in the order of `disks`. */
export function diskArguments(
  disks: readonly MachineDisk[],
  bootIndexOf: (index: number) => number | undefined,
): string[] {
  const places = new Map<string, number>();
  return [
    ...controllerArguments(disks),
    ...disks.flatMap((disk, index) => {
      const place = places.get(disk.bus) ?? 0;
      places.set(disk.bus, place + 1);
      return oneDisk(disk, { id: `disk${index}`, place, bootIndex: bootIndexOf(index) });
    }),
  ];
}

/** Doubles the commas of a value, as the option syntax of QEMU asks for. */
export function escapeValue(value: string): string {
  return value.replaceAll(',', ',,');
}

function controllerArguments(disks: readonly MachineDisk[]): string[] {
  const buses = new Set(disks.map(({ bus }) => bus));
  return [
    ...(buses.has('ahci') ? ['-device', 'ahci,id=sata'] : []),
    ...(buses.has('virtio-scsi') ? ['-device', 'virtio-scsi-pci,id=scsi'] : []),
  ];
}

interface Slot {
  readonly id: string;
  /** How many disks of the same bus come before it. */
  readonly place: number;
  readonly bootIndex: number | undefined;
}

function oneDisk(disk: MachineDisk, { id, place, bootIndex }: Slot): string[] {
  const drive = [
    'if=none',
    `id=${id}`,
    `file=${escapeValue(disk.path)}`,
    `format=${disk.format}`,
    'discard=unmap',
    ...(disk.readOnly === true ? ['readonly=on'] : []),
    ...(disk.snapshot === true ? ['snapshot=on'] : []),
    ...(disk.unsafeCache === true ? ['cache=unsafe'] : []),
  ];
  const device = [
    deviceOn(disk, place),
    `drive=${id}`,
    ...(bootIndex === undefined ? [] : [`bootindex=${bootIndex}`]),
    ...serialOf(disk, id),
    ...sectorSizeOf(disk),
  ];
  return ['-drive', drive.join(','), '-device', device.join(',')];
}

function deviceOn(disk: MachineDisk, place: number): string {
  switch (disk.bus) {
    case 'ahci':
      refuseBeyond(AHCI_PORTS, place, disk);
      return `ide-hd,bus=sata.${place}`;
    case 'ide':
      refuseBeyond(IDE_DISKS, place, disk);
      return `ide-hd,bus=ide.${place >> 1},unit=${place & 1}`;
    case 'nvme':
      return 'nvme';
    case 'usb':
      return 'usb-storage,bus=usb.0';
    case 'virtio':
      return 'virtio-blk-pci';
    case 'virtio-scsi':
      return 'scsi-hd,bus=scsi.0';
  }
}

function refuseBeyond(most: number, place: number, disk: MachineDisk): void {
  if (place < most) return;
  throw new DiskferryError(
    'MACHINE_DESCRIPTION',
    `${disk.path} would be disk ${place + 1} on the bus ${disk.bus}, which holds ${most} at most`,
  );
}

/** An NVMe controller does not start without a serial number. */
function serialOf(disk: MachineDisk, id: string): string[] {
  const serial = disk.serial ?? (disk.bus === 'nvme' ? id : undefined);
  return serial === undefined ? [] : [`serial=${escapeValue(serial)}`];
}

function sectorSizeOf({ sectorSize, bus, path }: MachineDisk): string[] {
  if (sectorSize === undefined || sectorSize === 512) return [];
  if (bus === 'ahci' || bus === 'ide') {
    throw new DiskferryError(
      'MACHINE_DESCRIPTION',
      `${path} cannot have ${sectorSize}-byte sectors on the bus ${bus}: use virtio, virtio-scsi, nvme or usb`,
    );
  }
  return [`logical_block_size=${sectorSize}`, `physical_block_size=${sectorSize}`];
}

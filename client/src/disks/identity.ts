import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DiskInfo } from '@diskferry/protocol/inventory';
import { printable, readAttribute } from '../sysfs.ts';

/** Bytes before the serial number in the SCSI vital product data page 0x80 (SPC-4, 7.8.17). */
const VPD_HEADER_BYTES = 4;
const VPD_UNIT_SERIAL_NUMBER = 0x80;

/** What tells one disk from another, as far as the disk says it. */
export type DiskIdentity = Pick<DiskInfo, 'model' | 'serial' | 'wwn'>;

/**
 * Model, serial number and World Wide Name of a disk, from the attributes that the kernel's drivers offer without
 * a command to the disk.
 *
 * @param folder the disk in sysfs, such as "/sys/block/sda"
 * @param devicePath the same without symbolic links
 */
export function identityOf(folder: string, devicePath: string): DiskIdentity {
  const usb = usbDeviceOf(devicePath);
  const model = modelOf(folder) ?? (usb === undefined ? undefined : readAttribute(usb, 'product'));
  const serial = serialOf(folder) ?? (usb === undefined ? undefined : readAttribute(usb, 'serial'));
  const wwn = wwnOf(folder);
  return {
    ...(model === undefined ? {} : { model }),
    ...(serial === undefined ? {} : { serial }),
    ...(wwn === undefined ? {} : { wwn }),
  };
}

/** SCSI: vendor and model; NVMe: model; MMC: name. virtio has none: its `vendor` is a PCI number. */
function modelOf(folder: string): string | undefined {
  const model = readAttribute(folder, 'device/model') ?? readAttribute(folder, 'device/name');
  const vendor = readAttribute(folder, 'device/vendor');
  // libata writes "ATA" where SCSI has the maker, whose name then stands in the model.
  if (model === undefined || vendor === undefined || vendor === 'ATA' || vendor.startsWith('0x'))
    return model;
  return model.startsWith(vendor) ? model : `${vendor} ${model}`;
}

/** virtio and NVMe have it as text, MMC as a number, SCSI in a page of its vital product data. */
function serialOf(folder: string): string | undefined {
  return (
    readAttribute(folder, 'serial') ??
    readAttribute(folder, 'device/serial') ??
    vpdSerialOf(`${folder}/device`)
  );
}

/** Byte 1: page code; bytes 2 and 3: length, big endian; from byte 4: ASCII (SPC-4, 7.8.17). */
function vpdSerialOf(device: string): string | undefined {
  let page: Buffer;
  try {
    page = readFileSync(`${device}/vpd_pg80`);
  } catch {
    return undefined;
  }
  if (page.length < VPD_HEADER_BYTES || page.readUInt8(1) !== VPD_UNIT_SERIAL_NUMBER) return undefined;
  const length = page.readUInt16BE(2);
  return printable(page.subarray(VPD_HEADER_BYTES, VPD_HEADER_BYTES + length));
}

/** Such as "naa.5000c500a1b2c3d4" (SCSI, SATA) or "eui.0025385b91b0a3c1" (NVMe). */
function wwnOf(folder: string): string | undefined {
  const wwid = readAttribute(folder, 'wwid') ?? readAttribute(folder, 'device/wwid');
  // A "t10." or "nvme." identifier is only vendor, model and serial number again.
  return wwid !== undefined && /^(naa|eui|uuid)\./.test(wwid) ? wwid : undefined;
}

/** USB sticks often refuse the SCSI pages; the USB device above them knows a product name and a serial number. */
function usbDeviceOf(devicePath: string): string | undefined {
  if (!/\/usb\d+\//.test(devicePath)) return undefined;
  for (let folder = dirname(devicePath); folder.includes('/usb'); folder = dirname(folder)) {
    if (existsSync(`${folder}/idVendor`)) return folder;
  }
  return undefined;
}

import type { SectorSize } from './disk.ts';
import * as read from './json-shape.ts';

/** What a computer is made of, as far as the imaging client can tell without touching its disks. */
export interface Inventory {
  readonly computer: ComputerInfo;
  readonly processors: ProcessorInfo;
  /** Memory that the secondary OS sees, in bytes. */
  readonly memoryBytes: number;
  readonly nics: readonly NicInfo[];
  readonly disks: readonly DiskInfo[];
  /** What is built in or plugged into slots, for hardware configurations; absent from older clients. */
  readonly devices?: readonly DeviceInfo[];
}

/** The words of the firmware's SMBIOS tables; a word that the maker left empty is absent. */
export interface ComputerInfo {
  readonly manufacturer?: string;
  readonly product?: string;
  readonly version?: string;
  readonly serial?: string;
  readonly uuid?: string;
  readonly boardManufacturer?: string;
  readonly boardProduct?: string;
  readonly boardSerial?: string;
  readonly biosVendor?: string;
  readonly biosVersion?: string;
  /** How the secondary OS was started. */
  readonly firmware: Firmware;
}

export const FIRMWARES = ['bios', 'uefi'] as const;
export type Firmware = (typeof FIRMWARES)[number];

export interface ProcessorInfo {
  /** Such as "Intel(R) Xeon(R) CPU E5-2690". */
  readonly model: string;
  readonly sockets: number;
  /** Of all sockets together. */
  readonly cores: number;
  /** Of all cores together. */
  readonly threads: number;
}

export interface NicInfo {
  /** The kernel's name, such as "eth0". */
  readonly name: string;
  /** Such as "52:54:00:12:34:56". */
  readonly mac: string;
  /** The kernel module, such as "e1000e". */
  readonly driver?: string;
  /** The kernel's bus: "pci", "usb", "virtio", "vmbus", "xen"; absent from older clients. */
  readonly bus?: string;
  /** Plugged in from outside the case, such as the card of a Thunderbolt dock; absent where that is not known. */
  readonly removable?: boolean;
  readonly linkUp: boolean;
  readonly speedMbps?: number;
  /** IPv4 and IPv6 addresses without prefix length. */
  readonly addresses: readonly string[];
}

export const DISK_TRANSPORTS = [
  'nvme',
  'sata',
  'ata',
  'scsi',
  'sas',
  'usb',
  'virtio',
  'mmc',
  /** A plain file, served for development. */
  'file',
  'unknown',
] as const;
export type DiskTransport = (typeof DISK_TRANSPORTS)[number];

export interface DiskInfo {
  /** The export name, which for a block device is the kernel's name, such as "sda". */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly model?: string;
  readonly serial?: string;
  readonly wwn?: string;
  readonly transport: DiskTransport;
  readonly removable: boolean;
  /** The disk itself refuses writes; says nothing of a write grant. */
  readonly readOnly: boolean;
  /** Absent where it is not known. */
  readonly rotational?: boolean;
}

export interface DeviceInfo {
  /** The kernel's bus: "pci", "vmbus" (Hyper-V) or "xen". */
  readonly bus: string;
  /**
   * What it is: on PCI the vendor and device, such as "8086:1237", on VMBus the GUID of its class, on Xen the kind,
   * such as "vbd".
   */
  readonly id: string;
  /** PCI: vendor and device of the card's or board's maker. */
  readonly subsystem?: string;
  /** PCI: base class and sub-class in hexadecimal, such as "0106" for a SATA controller. */
  readonly class?: string;
  /** The kernel module, such as "ahci". */
  readonly driver?: string;
}

const readSectorSize: read.Reader<SectorSize> = read.object<SectorSize>({
  logical: read.count,
  physical: read.count,
});

const readComputer = read.object<ComputerInfo>({
  manufacturer: read.optional(read.text),
  product: read.optional(read.text),
  version: read.optional(read.text),
  serial: read.optional(read.text),
  uuid: read.optional(read.text),
  boardManufacturer: read.optional(read.text),
  boardProduct: read.optional(read.text),
  boardSerial: read.optional(read.text),
  biosVendor: read.optional(read.text),
  biosVersion: read.optional(read.text),
  firmware: read.oneOf(FIRMWARES),
});

const readProcessors = read.object<ProcessorInfo>({
  model: read.text,
  sockets: read.count,
  cores: read.count,
  threads: read.count,
});

const readNic = read.object<NicInfo>({
  name: read.text,
  mac: read.text,
  driver: read.optional(read.text),
  bus: read.optional(read.text),
  removable: read.optional(read.flag),
  linkUp: read.flag,
  speedMbps: read.optional(read.count),
  addresses: read.list(read.text),
});

const readDisk = read.object<DiskInfo>({
  name: read.text,
  size: read.count,
  sectorSize: readSectorSize,
  model: read.optional(read.text),
  serial: read.optional(read.text),
  wwn: read.optional(read.text),
  transport: read.oneOf(DISK_TRANSPORTS),
  removable: read.flag,
  readOnly: read.flag,
  rotational: read.optional(read.flag),
});

const readDevice = read.object<DeviceInfo>({
  bus: read.text,
  id: read.text,
  subsystem: read.optional(read.text),
  class: read.optional(read.text),
  driver: read.optional(read.text),
});

/**
 * Checks a parsed JSON value and keeps what this version knows of it.
 *
 * @throws {JsonShapeError} naming the first field that is not right
 */
export const readInventory: read.Reader<Inventory> = read.object<Inventory>({
  computer: readComputer,
  processors: readProcessors,
  memoryBytes: read.count,
  nics: read.list(readNic),
  disks: read.list(readDisk),
  devices: read.optional(read.list(readDevice)),
});

/**
 * `bios` is SeaBIOS, `uefi` is OVMF without Secure Boot, `uefi-secure-boot` is OVMF that enforces it with Microsoft's keys,
 * as computers are sold.
 */
export type MachineFirmware = 'bios' | 'uefi' | 'uefi-secure-boot';

/** A virtual machine, described as data. */
export interface MachineDescription {
  /** For messages and file names. */
  readonly name: string;
  readonly firmware: MachineFirmware;
  /** 512 by default. */
  readonly memoryMb?: number;
  /** 1 by default: under software emulation a second processor costs more than it gives. */
  readonly cpus?: number;
  /** A CD image in the drive. */
  readonly cd?: string;
  /** The same kind of file as a USB stick; it is never written. */
  readonly usbStick?: string;
  /** A Linux kernel that QEMU starts itself, as PXE would. */
  readonly kernel?: string;
  readonly initrd?: string;
  /** The command line of `kernel`. */
  readonly append?: string;
  readonly disks?: readonly MachineDisk[];
  readonly nic?: MachineNic;
  /** What the firmware tries, in this order; by default `cd`, `usb-stick`, `disk`. */
  readonly bootOrder?: readonly BootDevice[];
  /** Further words for the command line of QEMU. */
  readonly extraArguments?: readonly string[];
}

export type BootDevice = 'cd' | 'usb-stick' | 'disk' | 'network';

export type DiskBus = 'ahci' | 'ide' | 'nvme' | 'usb' | 'virtio' | 'virtio-scsi';

export interface MachineDisk {
  readonly path: string;
  /** A format of qemu-img, such as raw or qcow2: never guessed, because a guest can write any magic number. */
  readonly format: string;
  readonly bus: DiskBus;
  /** The logical sector size in bytes; `ahci` and `ide` know only 512. */
  readonly sectorSize?: 512 | 4096;
  readonly serial?: string;
  /** Refuses writes; `ahci` and `ide` have no such disks. */
  readonly readOnly?: boolean;
  /** Keeps writes in a temporary file that ends with the machine. */
  readonly snapshot?: boolean;
  /** Does not wait for the host's disk on a flush: for overlays that nobody needs after a crash. */
  readonly unsafeCache?: boolean;
}

export interface MachineNic {
  readonly model: 'e1000' | 'e1000e' | 'rtl8139' | 'virtio-net-pci' | 'vmxnet3';
  /** TCP ports of the guest that this host reaches on 127.0.0.1, at free ports. */
  readonly forwardedPorts: readonly number[];
}

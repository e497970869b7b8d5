export type Subject = 'network' | 'storage';

/** A network card or a disk controller of QEMU, and how it comes into a machine. */
export interface HardwareModel {
  readonly subject: Subject;
  /** QEMU's name for it. */
  readonly name: string;
  /** What it is, where QEMU says so. */
  readonly description?: string;
  /** `microvm` has no PCI: what stands on it is found by ACPI. */
  readonly chipset: 'q35' | 'microvm';
  /** Shares a machine only with models of the same word, and with none without it; the word says why. */
  readonly company?: string;
  /** Of models with the same word only one fits into a machine. */
  readonly group?: string;
  /** Of its disk, where not any size will do. */
  readonly diskBytes?: number;
  /** Words that the machine needs for it, given once however many models want them. */
  readonly machineWords?: readonly string[];
  /** Its driver is known to be too rare for the first initrd: the archive of extra drivers is loaded behind it. */
  readonly extraDrivers?: true;
  /** The words for QEMU's command line. */
  readonly plug: (name: string, socket: Socket) => readonly string[];
}

/** What a model is plugged into a machine with. */
export interface Socket {
  /** No other model of the machine has it; also the id of the network behind a card. */
  readonly id: string;
  readonly mac: string;
  /** A raw file of `diskBytes`, a size that no other disk of the machine has. */
  readonly diskPath: string;
  readonly diskBytes: number;
}

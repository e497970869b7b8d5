import type { Firmware, Inventory } from '@diskferry/protocol/inventory';

/** A part that a product offers to its machines. */
export interface KnownPart {
  readonly name: string;
  /** As in the inventory's `devices`: "pci", "vmbus" or "xen". */
  readonly bus: string;
  readonly id: string;
  /** The module of the Linux kernel. */
  readonly driver: string;
}

/** Virtual hardware of a product, as a reviewed data file describes it. */
export interface KnownHardware {
  /** Stable; computers and images refer to it. */
  readonly id: string;
  readonly title: string;
  readonly firmware: readonly Firmware[];
  /** How its machines are recognised: each expression that is given must match the inventory's word of that name. */
  readonly words: Readonly<Partial<Record<SmbiosWord, RegExp>>>;
  /** Host bridges, one of which its machines have where the inventory tells devices; empty where there is none. */
  readonly hostBridges: readonly string[];
  readonly storage: readonly KnownPart[];
  readonly network: readonly KnownPart[];
}

export type SmbiosWord = Exclude<keyof Inventory['computer'], 'firmware' | 'uuid' | 'serial' | 'boardSerial'>;

import type { Inventory } from '@diskferry/protocol/inventory';

/** A connected computer, as the local interface shows it. */
export interface ManagedComputer {
  readonly name: string;
  /** From where it dialled; with NAT, not its own address. */
  readonly address: string;
  /** Of its key; another one after each start of the computer. */
  readonly fingerprint: string;
  /** Name of the enrolment that admitted it. */
  readonly enrolment: string;
  /** Of the imaging client. */
  readonly version: string;
  /** ISO 8601. */
  readonly connectedSince: string;
  readonly disks: readonly ManagedDisk[];
  readonly inventory: Inventory;
}

export interface ManagedDisk {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly model?: string;
  readonly serial?: string;
  /** A unix socket that speaks NBD and has this disk, read-only, as its only export. */
  readonly socket: string;
}

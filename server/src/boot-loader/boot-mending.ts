import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { Session } from '@diskferry/system/session';
import type { FileSystem } from '../file-systems/file-system.ts';
import type { PlacedPartition } from '../layout/layout-request.ts';

/** A partition of the source with its place on the destination and what is on it. */
export type BootPartition = PlacedPartition & {
  readonly fileSystem: FileSystem;
  /** The block device of the partition on the source, where there is one already. */
  readonly sourceDevice?: string | undefined;
  /** Everything in it stays at its distance from the start of the partition, as with blocks and sectors. */
  readonly blocksStay?: boolean | undefined;
};

/** What is known of a transfer when its boot loader is looked at. */
export interface BootFacts {
  /** Attached copy-on-write. */
  readonly source: Pick<SimulatedDisk, 'size' | 'sectorSize' | 'read' | 'attachPartition'>;
  /** Of the source. */
  readonly table: PartitionTable;
  readonly destinationKind: PartitionTable['kind'];
  /** Bytes. */
  readonly destination: { readonly bytes: number; readonly sectorBytes: number };
  /** All that the source has, without extended ones. GUIDs are those of the destination. */
  readonly partitions: readonly BootPartition[];
  /** The BIOS boot partition of the destination that the source does not have, where an MBR becomes a GPT. */
  readonly biosBoot?: ByteRange | undefined;
  readonly session: Session;
}

/** What steps need of the destination's disk. */
export type WritableDisk = Pick<SimulatedDisk, 'read' | 'write'>;

/** What a step of mending gets while it runs. */
export interface MendingContext {
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
  /** Something that the user must do by hand, as a sentence. */
  readonly warn: (message: string) => void;
}

/** One thing to be changed on the destination, after its volumes are filled and its table is written. */
export interface MendingStep {
  /** One line, such as "point GRUB in the MBR to its core in the BIOS boot partition". */
  readonly title: string;
  run(
    destination: WritableDisk,
    /** A block device of one of its partitions, by number. */
    deviceOf: (partition: number) => Promise<string>,
    context: MendingContext,
  ): Promise<void>;
}

/** A file of the destination that is another one than the source's after mending. */
export interface ChangedFile {
  readonly partition: number;
  /** From the root of the file system. */
  readonly path: string;
}

/** How the source starts, and what makes the destination start too. */
export interface BootMending {
  /** For people, such as "GRUB in front of the first partition (BIOS)". */
  readonly loader: string;
  /** `none`: nothing was found that would start. */
  readonly firmware: 'bios' | 'uefi' | 'none';
  /** Why the destination cannot start, as sentences without a full stop. */
  readonly obstacles: readonly string[];
  /** What the user should know, as sentences without a full stop. */
  readonly notes: readonly string[];
  readonly steps: readonly MendingStep[];
  /** What a comparison with the source will find different. */
  readonly changedFiles: readonly ChangedFile[];
}

/** What one kind of boot loader adds to the whole. */
export type MendingPart = Partial<Pick<BootMending, 'obstacles' | 'notes' | 'steps' | 'changedFiles'>> & {
  readonly loader?: string;
};

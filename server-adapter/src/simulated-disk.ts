import type { DiskAddress } from '@diskferry/protocol/disk-address';
import type { SectorSize } from '@diskferry/protocol/disk';
import type { Session } from '@diskferry/system/session';
import type { ConnectionSecurity } from '@diskferry/trust/connection-security';
import type { GrantPurpose, ManagedDiskName } from './control/managed-grant.ts';
import type { ZeroRangeOptions } from './copy/zero-range.ts';
import type { Partition, PartitionTable } from './partitions/partition-table.ts';
import type { ByteRange } from './partitions/readable-disk.ts';

/** Where the bytes of a simulated disk live. */
export type DiskSource =
  /** A disk of a remote imaging client, or of any other NBD server. */
  | {
      readonly kind: 'remote';
      readonly address: DiskAddress;
      /** How the connections to it are protected; plain text if absent. */
      readonly security?: ConnectionSecurity;
      /** Where the client's control channel is, for write grants; the port after that of the disks if absent. */
      readonly controlPort?: number;
      /** The computer has dialled the server of this machine, which asks it for write grants: see `takeManagedGrant`. */
      readonly managed?: ManagedDiskName;
    }
  /** A virtual disk file on this server. */
  | { readonly kind: 'image'; readonly path: string; readonly format: ImageFormat }
  /** A block device of this server. */
  | {
      readonly kind: 'device';
      readonly path: string;
      /** Parts of the device that make up the disk, in this order, in bytes; all of it if absent. */
      readonly segments?: readonly ByteRange[];
    };

/** Formats of virtual disk files, as QEMU calls them. */
export const IMAGE_FORMATS = ['qcow2', 'raw', 'vmdk', 'vhdx', 'vdi'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/**
 * What may happen to the bytes:
 * `copy-on-write` writes go to a layer on this server that is thrown away; the source is never written;
 * `write` writes go to the source.
 */
export type AccessMode = 'copy-on-write' | 'write';

export type LoopbackDriverName = 'auto' | 'fuse' | 'nbd';

export interface AttachOptions {
  /** What holds the processes, loop devices and mounts of the disk; releasing it detaches the disk. */
  readonly session: Session;
  readonly mode: AccessMode;
  readonly driver?: LoopbackDriverName;
  /** A source that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number;
  /** How long a remote disk whose connection is lost is waited for, in ms; 0 for not at all, 120 s by default. */
  readonly reconnectLimitMs?: number;
  /** Called with a sentence when the connection to a remote disk is lost and tried again, or there again. */
  readonly onNotice?: (message: string) => void;
  /** What a remote disk is written for, as the screen of its computer shows it. */
  readonly purpose?: GrantPurpose;
  /**
   * The sector sizes that an image shall have; by default those for which its partition table is made, or 512 bytes.
   * Remote disks and block devices tell their own.
   */
  readonly sectorSize?: SectorSize;
  /**
   * The image was made just now and holds nothing but zeros. Flushing it does not make it safe against a power failure:
   * sync its file when it is whole.
   */
  readonly isNew?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What went through an adapter since it was attached, in bytes. */
export interface AdapterCounters {
  /** Read from the source, which for a remote disk is what crossed the network. */
  readonly sourceBytesRead: number;
  /** Written to the source. */
  readonly sourceBytesWritten: number;
  /** Kept in the copy-on-write layer. */
  readonly layerBytesWritten: number;
}

/** A range of the source and where it goes. Bytes, whole sectors of both disks. */
export interface CopyPiece extends ByteRange {
  /** Where it begins on the destination. */
  readonly to: number;
}

export interface CopyOptions {
  /** Called some times a second, and at the end, with how many bytes of the pieces are done. */
  readonly onProgress: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** The destination reads as zeros where the pieces go, so that zeros need not be written. */
  readonly zeroed: boolean;
}

/** A remote disk, an image or a local block device, attached as a block device of this server. */
export interface SimulatedDisk {
  /** The block device of the whole disk, such as /dev/loop0. */
  readonly device: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: SectorSize;
  /** Reads bytes of the disk, such as its partition table. */
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Reads the partition table in user space: this kernel may not scan partitions of loop devices. */
  readPartitionTable(): Promise<PartitionTable>;
  /** A block device for one partition, by offset and size. */
  attachPartition(partition: Pick<Partition, 'start' | 'size'>): Promise<string>;
  counters(): Promise<AdapterCounters>;
  /**
   * What was discarded since the disk was attached copy-on-write, as by fstrim: in order, not touching each other. These
   * ranges read as zeros. Zeros that somebody wrote with leave to give up the space count as discarded too, because the
   * kernel does not tell them apart: who leaves out discarded ranges must make the destination read as zeros there, or
   * know that nobody wrote such zeros.
   */
  discardedRanges(range: ByteRange): Promise<readonly ByteRange[]>;
  /**
   * Copies bytes from this disk to another one past the kernel, in the order of this disk, many requests in flight. What
   * the kernel holds of both is written before, and forgotten by it; nobody may use the ranges meanwhile. Overlapping
   * pieces are not allowed.
   *
   * @throws {AdapterError} when either disk fails; the reason of the signal. What is copied by then stays
   */
  copyTo(destination: SimulatedDisk, pieces: readonly CopyPiece[], options: CopyOptions): Promise<void>;
  /**
   * Makes a range read as zeros: fast where the disk can, else by writing them, unless `onlyFast`.
   *
   * @returns whether it reads as zeros now
   * @throws {AdapterError} when the disk fails; the reason of the signal
   */
  zero(range: ByteRange, options?: ZeroRangeOptions): Promise<boolean>;
  /** Rejects when the adapter or its source fails, with the reason; never resolves. Meant for Promise.race. */
  readonly failure: Promise<never>;
  /** Brings all writes to the source and gives everything of this disk back. */
  detach(): Promise<void>;
}

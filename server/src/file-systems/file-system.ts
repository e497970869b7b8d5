import type { Session } from '@diskferry/system/session';
import type { Difference } from '../compare/difference.ts';
import type { Destination, Suitability } from './destination.ts';

/** What a driver needs while it works. */
export interface CopyContext {
  /** Holds the mounts, mount points and processes. */
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
  /** The destination device reads as zeros. If not, it has old data, and drivers zero what they rely on. */
  readonly zeroed: boolean;
  /** Bytes of this file system that are done so far; called some five times a second at most. */
  readonly onProgress: (copiedBytes: number) => void;
  /** Something was not carried over exactly: a sentence. */
  readonly warn: (message: string) => void;
}

/**
 * What capture does with a partition: copies its `files` into an empty twin, makes the twin alone (`recreated`),
 * or copies all `sectors`, free space included.
 */
export type Method = 'files' | 'recreated' | 'sectors';

/** A file system found on a partition, and how to make and fill its twin. */
export interface FileSystem {
  /** As blkid calls it: "ext4", "vfat", "swap", ...; "unknown" where it finds nothing. */
  readonly type: string;
  readonly uuid?: string | undefined;
  readonly label?: string | undefined;
  /** Size of the device, in bytes. */
  readonly size: number;
  /** Bytes that the files will take in the twin; the whole size for `sectors`. */
  readonly usedBytes: number;
  /**
   * The least size of a destination, in bytes, with a margin for what the twin's own structures need. It holds for
   * sectors of the size of the source's; `suitability` knows the others.
   */
  readonly smallestBytes: number;
  readonly how: Method;
  /** Sentences for the user: why sectors, what is special, what is lost. */
  readonly notes: readonly string[];
  /** Tells, before anything is written, whether the twin can be made on such a device, and what will be different. */
  suitability(destination: Destination): Suitability;
  /**
   * Makes the empty twin: identical on a device of the source's size, else as large as the device.
   *
   * @param device which reads as zeros, or has old data, as the context says
   * @throws {FileSystemError} `UNSUITABLE` with the obstacle that `suitability` tells
   */
  create(device: string, context: CopyContext): Promise<void>;
  /**
   * Copies the contents into the twin that `create` made.
   *
   * @param source the device that was recognised. It must be a copy-on-write layer: journals are replayed in it,
   *   and a Btrfs is marked as a seed while it is copied
   */
  copy(source: string, destination: string, context: CopyContext): Promise<void>;
  /**
   * Compares the twin with the source after the copy: every file with its attributes, or every sector. Neither may be
   * mounted by others, and both are mounted for reading only.
   *
   * @param context whose progress counts the bytes that are compared
   * @returns what is not the same, and is no change that `suitability` tells; at most some thousand differences
   */
  verify(source: string, destination: string, context: CopyContext): Promise<readonly Difference[]>;
}

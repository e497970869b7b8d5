import type { Session } from '@diskferry/system/session';

/** What a driver needs while it works. */
export interface CopyContext {
  /** Holds the mounts, mount points and processes. */
  readonly session: Session;
  readonly signal?: AbortSignal | undefined;
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
  /** Bytes that hold files, as statfs counts them; the whole size for `sectors`. */
  readonly usedBytes: number;
  readonly how: Method;
  /** Sentences for the user: why sectors, what is special. */
  readonly notes: readonly string[];
  /**
   * Makes the empty twin.
   *
   * @param device of at least the same size, which reads as zeros
   */
  create(device: string, context: CopyContext): Promise<void>;
  /**
   * Copies the contents into the twin that `create` made.
   *
   * @param source the device that was recognised; it must be writable (a copy-on-write layer) if a journal must
   *   be replayed
   */
  copy(source: string, destination: string, context: CopyContext): Promise<void>;
}

import type { SectorSize } from '@diskferry/protocol/disk';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import type { GrantPurpose } from '../control/managed-grant.ts';
import type { AccessMode, AdapterCounters, DiskSource } from '../simulated-disk.ts';

/** Where the adapter process offers the disk to the kernel. */
export type AdapterChannel =
  /** A regular file on which the adapter mounts its FUSE file. */
  | { readonly kind: 'fuse'; readonly mountPoint: string }
  /** A unix socket on which the adapter is an NBD server. */
  | { readonly kind: 'socket'; readonly socketPath: string };

/** What an adapter connects to. */
export type AdapterSource =
  /** The NBD server of an image, which serves this adapter alone. */
  | { readonly kind: 'image'; readonly address: DiskAddress }
  /** A disk of another computer. */
  | (Extract<DiskSource, { readonly kind: 'remote' }> & {
      /** How long a lost connection is waited for, in ms. */
      readonly reconnectLimitMs?: number;
      /** What the right to write is for. */
      readonly purpose: GrantPurpose;
    });

/** Everything that an adapter process is told; plain data, sent as JSON. */
export interface AdapterConfig {
  /** The source in words, for messages. */
  readonly sourceName: string;
  readonly source: AdapterSource;
  readonly mode: AccessMode;
  /** The sector sizes to offer where they are not those of the source. */
  readonly sectorSize?: SectorSize;
  /** A source that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number;
  readonly channel: AdapterChannel;
}

export interface DiskGeometry {
  /** Bytes, a multiple of the logical sector size. */
  readonly size: number;
  readonly sectorSize: SectorSize;
}

export type ToAdapter =
  | { readonly type: 'start'; readonly config: AdapterConfig }
  /** Nobody wants to wait for a lost source any more. */
  | { readonly type: 'stop-waiting' }
  | { readonly type: 'counters'; readonly id: number }
  /** Bring everything written so far to stable storage, and tell whether any write failed. */
  | { readonly type: 'flush'; readonly id: number };

export type FromAdapter =
  | { readonly type: 'ready'; readonly geometry: DiskGeometry }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** A sentence about the connection to the source: it is lost and tried again, or there again. */
  | { readonly type: 'notice'; readonly message: string }
  | { readonly type: 'answer'; readonly id: number; readonly counters: AdapterCounters }
  | { readonly type: 'refusal'; readonly id: number; readonly message: string }
  /** The disk cannot be trusted any more: its source is lost, or something could not be written. */
  | { readonly type: 'trouble'; readonly code: TroubleCode; readonly message: string };

export type TroubleCode = 'SOURCE_LOST' | 'WRITE_FAILED';

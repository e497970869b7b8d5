import type { SectorSize } from '@diskferry/protocol/disk';
import type { DiskAddress } from '@diskferry/protocol/disk-address';
import type { GrantPurpose } from '../control/managed-grant.ts';
import type { ByteRange } from '../partitions/readable-disk.ts';
import type { AccessMode, AdapterCounters, CopyPiece, DiskSource } from '../simulated-disk.ts';

/** Where the adapter process offers the disk to the kernel. */
export type AdapterChannel =
  /** A regular file on which the adapter mounts its FUSE file. */
  | { readonly kind: 'fuse'; readonly mountPoint: string }
  /** A unix socket on which the adapter is an NBD server. */
  | { readonly kind: 'socket'; readonly socketPath: string };

/** What an adapter connects to. */
export type AdapterSource =
  /** The NBD server of an image or a block device, which serves this adapter and those that copy to its disk. */
  | {
      readonly kind: 'image';
      readonly address: DiskAddress;
      /** The block device that nobody else may use meanwhile. */
      readonly exclusive?: string;
      /** The parts of it that make up the disk, in bytes. */
      readonly segments?: readonly ByteRange[];
      /** It is new and holds nothing but zeros. */
      readonly fresh?: {
        /** Whether its format keeps zeros apart from data. */
        readonly keepsZeros: boolean;
      };
    }
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
  /** The sector sizes to offer where they are not those of the source; `by-table`: those that its partition table needs. */
  readonly sectorSize?: SectorSize | 'by-table';
  /** A source that answers nothing for so long is gone, in ms. */
  readonly requestTimeoutMs?: number;
  readonly channel: AdapterChannel;
}

export interface DiskGeometry {
  /** Bytes, a multiple of the logical sector size. */
  readonly size: number;
  readonly sectorSize: SectorSize;
}

/** A part of the answer to a question for discarded ranges. */
export interface DiscardedRanges {
  /** Start and size of each, in bytes. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Up to where this is the answer, in bytes; the rest is to be asked for. */
  readonly until: number;
}

/** What another adapter did to a disk. */
export interface WrittenByOthers {
  readonly bytesWritten: number;
  /** Why it could not be written. */
  readonly failure?: string;
}

/** What an adapter process can be asked, with the answer to each. */
interface Conversation {
  readonly counters: { readonly question: object; readonly answer: AdapterCounters };
  /** Bring everything written so far to stable storage, and tell whether any write failed. */
  readonly flush: { readonly question: object; readonly answer: null };
  readonly discarded: { readonly question: { readonly range: ByteRange }; readonly answer: DiscardedRanges };
  /** Let another adapter write to the disk; the answer is the unix socket to connect to. */
  readonly offer: { readonly question: { readonly socketPath: string }; readonly answer: string };
  /** End what {@link Conversation.offer} began; all that came over the socket is done with the answer. */
  readonly withdraw: { readonly question: WrittenByOthers; readonly answer: null };
  /** Copy to the disk that is offered on a socket. The refusal is `DESTINATION_FAILED` if it could not be written. */
  readonly copy: {
    readonly question: {
      readonly socketPath: string;
      readonly pieces: readonly CopyPiece[];
      readonly zeroed: boolean;
    };
    /** Bytes that were written. */
    readonly answer: number;
  };
  readonly zero: {
    readonly question: { readonly range: ByteRange; readonly onlyFast: boolean };
    /** Whether the range reads as zeros now. */
    readonly answer: boolean;
  };
}

export type QuestionType = keyof Conversation;
export type QuestionOf<Type extends QuestionType> = { readonly type: Type } & Conversation[Type]['question'];
export type AnswerTo<Type extends QuestionType> = Conversation[Type]['answer'];
export type Question = { [Type in QuestionType]: QuestionOf<Type> }[QuestionType];

export type ToAdapter =
  | { readonly type: 'start'; readonly config: AdapterConfig }
  /** Nobody wants to wait for a lost source any more. */
  | { readonly type: 'stop-waiting' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  /** Nobody wants the answer to a question any more. */
  | { readonly type: 'give-up'; readonly id: number };

export type FromAdapter =
  | { readonly type: 'ready'; readonly geometry: DiskGeometry }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** A sentence about the connection to the source: it is lost and tried again, or there again. */
  | { readonly type: 'notice'; readonly message: string }
  | { readonly type: 'answer'; readonly id: number; readonly answer: AnswerTo<QuestionType> }
  /** How far the work on a question is, in bytes. */
  | { readonly type: 'progress'; readonly id: number; readonly bytes: number }
  | { readonly type: 'refusal'; readonly id: number; readonly code: string; readonly message: string }
  /** The disk cannot be trusted any more: its source is lost, or something could not be written. */
  | { readonly type: 'trouble'; readonly code: TroubleCode; readonly message: string };

export type TroubleCode = 'SOURCE_LOST' | 'WRITE_FAILED';

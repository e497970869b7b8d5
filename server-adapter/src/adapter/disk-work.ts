import type { Disk } from '@diskferry/protocol/disk';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { copyPieces } from '../copy/copy-pieces.ts';
import { zeroRange } from '../copy/zero-range.ts';
import type { CopyOnWriteDisk } from '../disk/copy-on-write-disk.ts';
import type { ByteRange } from '../partitions/readable-disk.ts';
import { type DiskDoor, openDoor } from './disk-door.ts';
import type { DiscardedRanges, QuestionOf } from './messages.ts';

/** How much of a disk is looked through for one answer, in bytes: some milliseconds, during which the disk stands still. */
const DISCARDED_WINDOW_BYTES = 16 * 1024 ** 3;
/** Ranges in one answer, so that a message stays small. */
const MAX_DISCARDED_RANGES = 8192;

/** What a piece of work is done under. */
export interface Work {
  readonly signal: AbortSignal;
  /** Told how many bytes are done. */
  readonly onProgress: (bytes: number) => void;
}

export interface WorkedDisk {
  /** As the kernel sees it. */
  readonly disk: Disk;
  /** The same bytes without reading ahead, for requests that are long and many. */
  readonly reader: Pick<Disk, 'read' | 'extents'>;
  readonly layer: CopyOnWriteDisk | undefined;
  /** How long another adapter may owe an answer without a sign of life, in ms. */
  readonly requestTimeoutMs?: number | undefined;
}

/** What the server has an adapter do with its disk past the kernel. */
export class DiskWork {
  readonly #worked: WorkedDisk;
  #door: DiskDoor | undefined;

  constructor(worked: WorkedDisk) {
    this.#worked = worked;
  }

  /** What was discarded in the beginning of a range; nothing where there is no copy-on-write layer. */
  discarded({ start, size }: ByteRange): DiscardedRanges {
    const end = start + size;
    const windowEnd = Math.min(end, start + DISCARDED_WINDOW_BYTES);
    const found = this.#worked.layer?.discarded({ start, size: windowEnd - start }) ?? [];
    const ranges = found.slice(0, MAX_DISCARDED_RANGES);
    const last = ranges.at(-1);
    const isCut = last !== undefined && ranges.length < found.length;
    return {
      ranges: ranges.map(({ start, size }) => [start, size] as const),
      until: isCut ? last.start + last.size : windowEnd,
    };
  }

  /** Offers the disk on a socket to other adapters, until {@link withdraw}. */
  async offer(socketPath: string): Promise<string> {
    this.#door = await openDoor(this.#worked.disk, socketPath);
    return socketPath;
  }

  /** Returns when all that came over the socket is done. */
  async withdraw(): Promise<void> {
    const door = this.#door;
    this.#door = undefined;
    await door?.close();
  }

  /** Copies to the disk that another adapter offers. */
  async copy(
    { socketPath, pieces, zeroed }: QuestionOf<'copy'>,
    { signal, onProgress }: Work,
  ): Promise<void> {
    const { reader, requestTimeoutMs } = this.#worked;
    const destination = await connectNbd(
      { transport: 'unix', socketPath, exportName: '' },
      { signal, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) },
    );
    let bytes = 0;
    try {
      await copyPieces(reader, destination, pieces, {
        zeroed,
        signal,
        onDone: (more) => onProgress((bytes += more)),
      });
    } finally {
      await destination.close();
    }
  }

  async zero(range: ByteRange, { signal }: Work): Promise<void> {
    await zeroRange(this.#worked.disk, range, signal);
  }
}

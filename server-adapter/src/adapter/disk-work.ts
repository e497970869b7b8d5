import type { Disk } from '@diskferry/protocol/disk';
import { connectNbd } from '@diskferry/protocol/nbd/client';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { copyPieces } from '../copy/copy-pieces.ts';
import { zeroRange } from '../copy/zero-range.ts';
import type { CopyOnWriteDisk } from '../disk/copy-on-write-disk.ts';
import { countDisk } from '../disk/counting-disk.ts';
import type { ByteRange } from '../partitions/readable-disk.ts';
import { type DiskDoor, openDoor } from './disk-door.ts';
import type { DiscardedRanges, QuestionOf, WrittenByOthers } from './messages.ts';

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
  /** The socket of a server for the same bytes that others may write to. */
  readonly ownServer: string | undefined;
  /** Told before others may write over {@link ownServer}. */
  readonly onOwnServerOffered: () => void;
  /** How long another adapter may owe an answer without a sign of life, in ms. */
  readonly requestTimeoutMs?: number | undefined;
  /** Told what was written over {@link ownServer}. */
  readonly onWrittenByOthers: (written: WrittenByOthers) => void;
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

  /** Lets other adapters write to the disk, until {@link withdraw}. Returns the socket to connect to. */
  async offer(socketPath: string): Promise<string> {
    const { disk, ownServer, onOwnServerOffered } = this.#worked;
    if (ownServer !== undefined) {
      onOwnServerOffered();
      return ownServer;
    }
    this.#door = await openDoor(disk, socketPath);
    return socketPath;
  }

  /** Returns when all that came over the socket is done. */
  async withdraw(written: WrittenByOthers): Promise<void> {
    const door = this.#door;
    this.#door = undefined;
    await door?.close();
    // What came through the door is known already.
    if (door === undefined) this.#worked.onWrittenByOthers(written);
  }

  /**
   * Copies to the disk that another adapter offers.
   *
   * @returns how many bytes were written
   * @throws {DiskferryError} `DESTINATION_FAILED`, `COPY_FAILED`
   */
  async copy(
    { socketPath, pieces, zeroed }: QuestionOf<'copy'>,
    { signal, onProgress }: Work,
  ): Promise<number> {
    const { reader, requestTimeoutMs } = this.#worked;
    let code = 'COPY_FAILED';
    const remote = await connectNbd(
      { transport: 'unix', socketPath, exportName: '' },
      { signal, ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }) },
    );
    const destination = countDisk(remote, { onFailure: () => (code = 'DESTINATION_FAILED') });
    let bytes = 0;
    try {
      await copyPieces(reader, destination, pieces, {
        zeroed,
        signal,
        onDone: (more) => onProgress((bytes += more)),
      });
      return destination.bytesWritten;
    } catch (error) {
      throw new DiskferryError(code, messageOf(error), { cause: error });
    } finally {
      await remote.close();
    }
  }

  async zero({ range, onlyFast }: QuestionOf<'zero'>, { signal }: Work): Promise<boolean> {
    return zeroRange(this.#worked.disk, range, { onlyFast, signal });
  }
}

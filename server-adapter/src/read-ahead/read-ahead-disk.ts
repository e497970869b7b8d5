import type { Disk } from '@diskferry/protocol/disk';
import { BufferPool } from '../buffer-pool.ts';
import { extentsOf } from '../disk/extents.ts';
import type { LendingDisk } from '../disk/lending-disk.ts';
import { CHUNK_BYTES, ReadStream } from './read-stream.ts';

/** Streams that are read ahead at once; with 4 MiB for each, 32 MiB of memory. */
const MAX_LONG_STREAMS = 8;
/** Requests that may become streams; random reads push each other out of this list, and never a long stream. */
const MAX_SHORT_STREAMS = 16;
/** Longer requests are a stream by themselves and only pass. */
const MAX_LENT_BYTES = 2 * 1024 * 1024;

export interface ReadAheadDisk extends LendingDisk {
  /** Forgets what was read ahead: the disk below was written past this one. */
  forgetAll(): void;
}

/**
 * Reads ahead of whoever reads in order, several at once, so that the source works on the next bytes while the last
 * ones are used. A stream of N bytes costs at most N/4 bytes that nobody needs.
 */
export function readAhead(below: Disk): ReadAheadDisk {
  const pool = new BufferPool(CHUNK_BYTES);
  /** Last used first, both. */
  const long: ReadStream[] = [];
  const short: ReadStream[] = [];

  function note(offset: number, length: number): void {
    const known = take(long, (stream) => stream.isFollowedBy(offset));
    const stream = known ?? take(short, (stream) => stream.isFollowedBy(offset));
    if (stream === undefined) {
      short.unshift(new ReadStream(below, pool, offset, length));
    } else {
      stream.advance(offset, length);
      (stream.isLong ? long : short).unshift(stream);
    }
    if (short.length > MAX_SHORT_STREAMS) short.pop();
    if (long.length > MAX_LONG_STREAMS) long.pop()?.forgetAll();
  }

  function lend(
    offset: number,
    length: number,
    use: (parts: readonly Uint8Array[]) => void,
  ): Promise<boolean> | undefined {
    if (length > MAX_LENT_BYTES) return undefined;
    const stream = take(long, (stream) => stream.has(offset));
    if (stream === undefined) return undefined;
    long.unshift(stream);
    stream.advance(offset, length);
    return stream.lend(offset, length, use);
  }

  async function read(offset: number, target: Uint8Array): Promise<void> {
    const isCopied = await lend(offset, target.length, (parts) => {
      let done = 0;
      for (const part of parts) {
        target.set(part, done);
        done += part.length;
      }
    });
    if (isCopied === true) return;
    note(offset, target.length);
    return below.read(offset, target);
  }

  /** What is read ahead of a range while it changes may be old or new, so it is forgotten before and after. */
  async function change(offset: number, length: number, work: () => Promise<void>): Promise<void> {
    forget(offset, length);
    try {
      await work();
    } finally {
      forget(offset, length);
    }
  }

  function forget(offset: number, length: number): void {
    for (const stream of long) stream.forget(offset, offset + length);
  }

  function forgetAll(): void {
    for (const stream of long.splice(0)) stream.forgetAll();
  }

  return {
    size: below.size,
    sectorSize: below.sectorSize,
    readOnly: below.readOnly,
    lend,
    read,
    write: (offset, data, options) => change(offset, data.length, () => below.write(offset, data, options)),
    flush: () => below.flush(),
    discard: (offset, length) => change(offset, length, () => below.discard(offset, length)),
    writeZeroes: (offset, length, options) =>
      change(offset, length, () => below.writeZeroes(offset, length, options)),
    ...extentsOf(below),
    forgetAll,
    async close() {
      forgetAll();
      await below.close();
    },
  };
}

/** Takes the first stream out of the list for which the condition holds. */
function take(streams: ReadStream[], condition: (stream: ReadStream) => boolean): ReadStream | undefined {
  const index = streams.findIndex(condition);
  return index < 0 ? undefined : streams.splice(index, 1)[0];
}

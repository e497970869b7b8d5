import { type Disk, DiskError, type Extent, type SectorSize, type WriteZeroesOptions } from '../disk.ts';
import { requestSizes, sectorSizeOf } from './block-sizes.ts';
import { MAX_COMPACT_DESCRIPTOR_BYTES } from './block-status.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ExportDescription } from './client-handshake.ts';
import type { ClientLink } from './client-link.ts';
import { COMMAND, COMMAND_FLAG, TRANSMISSION_FLAG } from './constants.ts';
import type { NbdDisk } from './nbd-disk.ts';
import { cutRange, extentsWithin } from './ranges.ts';
import type { Headers } from './reply-decoder.ts';
import { RequestChannel } from './request-channel.ts';

/** Longest range of one TRIM or WRITE_ZEROES: below 2^32, and soon enough done to count as an answer. */
const MAX_RANGE_BYTES = 1024 * 1024 * 1024;

export interface RemoteDiskContext {
  readonly link: ClientLink;
  readonly reader: ChunkReader;
  readonly exportName: string;
  readonly description: ExportDescription;
  readonly identity?: string;
  readonly headers: Headers;
  /** The number of the metadata context `base:allocation`, if it was agreed on. */
  readonly allocationContext?: number;
  readonly requestTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** A disk behind an NBD connection in its transmission phase. */
export class RemoteDisk implements NbdDisk {
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
  readonly description?: string;
  readonly identity?: string;
  readonly extents?: NonNullable<Disk['extents']>;
  readonly supports: NbdDisk['supports'];
  readonly lost: Promise<Error>;
  readonly #link: ClientLink;
  readonly #exportName: string;
  readonly #headers: Headers;
  readonly #minimum: number;
  readonly #maximum: number;
  readonly #channel: RequestChannel;

  constructor(context: RemoteDiskContext) {
    const { description } = context;
    this.#link = context.link;
    this.#exportName = context.exportName;
    this.size = description.size;
    this.sectorSize = sectorSizeOf(description.blockSizes);
    ({ minimum: this.#minimum, longest: this.#maximum } = requestSizes(description.blockSizes));
    if (description.description !== undefined) this.description = description.description;
    if (context.identity !== undefined) this.identity = context.identity;
    this.#headers = context.headers;
    if (context.allocationContext !== undefined) {
      this.extents = (offset, length) => this.#blockStatus(offset, length);
    }
    const has = (flag: number): boolean => (description.flags & flag) !== 0;
    this.readOnly = has(TRANSMISSION_FLAG.READ_ONLY);
    this.supports = {
      flush: has(TRANSMISSION_FLAG.SEND_FLUSH),
      fua: has(TRANSMISSION_FLAG.SEND_FUA),
      trim: has(TRANSMISSION_FLAG.SEND_TRIM),
      writeZeroes: has(TRANSMISSION_FLAG.SEND_WRITE_ZEROES),
      fastZeroes: has(TRANSMISSION_FLAG.SEND_WRITE_ZEROES) && has(TRANSMISSION_FLAG.SEND_FAST_ZERO),
      multiConnection: has(TRANSMISSION_FLAG.CAN_MULTI_CONN),
    };
    this.#channel = new RequestChannel({ ...context, diskSize: this.size, blockBytes: this.#minimum });
    this.lost = this.#channel.lost;
  }

  get bytesReceived(): number {
    return this.#link.bytesReceived;
  }

  get bytesSent(): number {
    return this.#link.bytesSent;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    const { length } = target;
    if (length === 0) return;
    this.#checkRange('read', offset, length);
    if (length <= this.#maximum && this.#isAligned(offset, length)) {
      await this.#channel.request(COMMAND.READ, offset, length, { target });
      return;
    }
    await all(
      cutRange(offset, length, this.#maximum).map(([start, end]) =>
        this.#readPiece(start, target.subarray(start - offset, end - offset)),
      ),
    );
  }

  async write(offset: number, data: Uint8Array, { fua = false } = {}): Promise<void> {
    if (data.length === 0) return;
    this.#checkWrite('write', offset, data.length);
    const flags = fua && this.supports.fua ? COMMAND_FLAG.FUA : 0;
    await all(
      cutRange(offset, data.length, this.#maximum).map(([start, end]) =>
        this.#channel.request(COMMAND.WRITE, start, end - start, {
          flags,
          data: data.subarray(start - offset, end - offset),
        }),
      ),
    );
    if (fua && !this.supports.fua) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.supports.flush) await this.#channel.request(COMMAND.FLUSH, 0, 0);
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#checkRange('discard', offset, length);
    // Only a hint: whole blocks inside the range, and nothing if the server does not know it.
    const start = Math.ceil(offset / this.#minimum) * this.#minimum;
    const end = offset + length - ((offset + length) % this.#minimum);
    if (!this.supports.trim || end <= start) return;
    await this.#ranges(COMMAND.TRIM, start, end - start, 0);
  }

  async writeZeroes(
    offset: number,
    length: number,
    { mayPunch = false, fast = false }: WriteZeroesOptions = {},
  ): Promise<void> {
    if (length === 0) return;
    this.#checkWrite('write zeroes', offset, length);
    if (fast && !this.supports.fastZeroes) {
      throw new DiskError('ENOTSUP', `${this.#link.peer} does not tell whether it zeroes fast`);
    }
    if (this.supports.writeZeroes) {
      const flags = (mayPunch ? 0 : COMMAND_FLAG.NO_HOLE) | (fast ? COMMAND_FLAG.FAST_ZERO : 0);
      // One answer for all of it, so that a refusal changes nothing.
      if (fast && this.#headers === 'extended') {
        await this.#channel.request(COMMAND.WRITE_ZEROES, offset, length, { flags });
        return;
      }
      return this.#ranges(COMMAND.WRITE_ZEROES, offset, length, flags);
    }
    const zeroes = Buffer.alloc(Math.min(length, this.#maximum));
    for (const [start, end] of cutRange(offset, length, this.#maximum)) {
      await this.write(start, zeroes.subarray(0, end - start));
    }
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  /** Hangs up without a word; what is under way fails for the reason. */
  abandon(reason: Error): void {
    this.#link.fail(reason);
  }

  // What it is made of

  async #blockStatus(offset: number, length: number): Promise<readonly Extent[]> {
    if (length === 0) return [];
    this.#checkRange('status', offset, length);
    const start = offset - (offset % this.#minimum);
    const limit = this.#headers === 'extended' ? this.size : MAX_COMPACT_DESCRIPTOR_BYTES;
    const end = Math.min(this.#roundUp(offset + length), start + limit);
    const { extents = [] } = await this.#channel.request(COMMAND.BLOCK_STATUS, start, end - start);
    return extentsWithin(extents, offset - start, Math.min(offset + length, end) - start);
  }

  /** The end of the block in which a range ends. */
  #roundUp(end: number): number {
    return Math.min(Math.ceil(end / this.#minimum) * this.#minimum, this.size);
  }

  /** Reads a piece that may begin or end inside a block. */
  async #readPiece(offset: number, target: Uint8Array): Promise<void> {
    const before = offset % this.#minimum;
    const end = this.#roundUp(offset + target.length);
    if (before === 0 && end === offset + target.length) {
      await this.#channel.request(COMMAND.READ, offset, target.length, { target });
      return;
    }
    const blocks = Buffer.allocUnsafe(end - offset + before);
    await this.#channel.request(COMMAND.READ, offset - before, blocks.length, { target: blocks });
    target.set(blocks.subarray(before, before + target.length));
  }

  async #ranges(type: number, offset: number, length: number, flags: number): Promise<void> {
    for (const [start, end] of cutRange(offset, length, MAX_RANGE_BYTES)) {
      await this.#channel.request(type, start, end - start, { flags });
    }
  }

  #isAligned(offset: number, length: number): boolean {
    // The end of the disk counts as aligned: some servers have sizes that are no multiple of anything.
    return offset % this.#minimum === 0 && (length % this.#minimum === 0 || offset + length === this.size);
  }

  #checkWrite(what: string, offset: number, length: number): void {
    this.#checkRange(what, offset, length);
    if (this.readOnly) {
      throw new DiskError('EPERM', `${this.#exportName} on ${this.#link.peer} is read-only`);
    }
    if (!this.#isAligned(offset, length)) {
      throw new DiskError(
        'EINVAL',
        `a ${what} of ${length} bytes at ${offset} is not made of whole blocks of ${this.#minimum} bytes`,
      );
    }
  }

  #checkRange(what: string, offset: number, length: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > this.size) {
      throw new DiskError(
        'EINVAL',
        `a ${what} of ${length} bytes at ${offset} is not inside the disk, which has ${this.size} bytes`,
      );
    }
  }
}

/** Waits for all, even if one fails: the others may still be filling the same target. */
async function all(requests: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(requests);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

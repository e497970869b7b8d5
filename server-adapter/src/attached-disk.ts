import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SectorSize } from '@diskferry/protocol/disk';
import { run } from '@diskferry/system/run';
import { type Adapter, AdapterError } from './adapter/adapter.ts';
import type { DiskGeometry, WrittenByOthers } from './adapter/messages.ts';
import type { HeldResources } from './held-resources.ts';
import type { ZeroRangeOptions } from './copy/zero-range.ts';
import { createLoopDevice } from './loopback/loop-device.ts';
import type { Partition, PartitionTable } from './partitions/partition-table.ts';
import type { ByteRange } from './partitions/readable-disk.ts';
import { readPartitionTable } from './partitions/read-partition-table.ts';
import type { AdapterCounters, CopyOptions, CopyPiece, SimulatedDisk } from './simulated-disk.ts';

/** Pieces that an adapter is told at once: a message of less than a megabyte. */
const PIECES_PER_MESSAGE = 10_000;
/** How long after the failure of a copy the reason of an adapter is waited for, in ms; it is usually there before. */
const TROUBLE_PATIENCE_MS = 500;

interface Parts {
  readonly device: string;
  readonly geometry: DiskGeometry;
  readonly adapter: Adapter;
  readonly held: HeldResources;
  /** Where sockets of the disk go. */
  readonly folder: string;
}

/** A disk whose adapter process runs and whose block device is there. */
export class AttachedDisk implements SimulatedDisk {
  readonly device: string;
  readonly size: number;
  readonly sectorSize: SectorSize;
  readonly failure: Promise<never>;
  readonly #adapter: Adapter;
  readonly #held: HeldResources;
  readonly #folder: string;
  readonly #partitions = new Set<string>();
  #sockets = 0;

  constructor({ device, geometry, adapter, held, folder }: Parts) {
    this.device = device;
    this.size = geometry.size;
    this.sectorSize = geometry.sectorSize;
    this.failure = adapter.failure;
    this.#adapter = adapter;
    this.#held = held;
    this.#folder = folder;
  }

  read(offset: number, length: number): Promise<Buffer> {
    return readAt(this.device, offset, length);
  }

  write(offset: number, data: Uint8Array): Promise<void> {
    return writeAt(this.device, offset, data);
  }

  readPartitionTable(): Promise<PartitionTable> {
    const { size, sectorSize } = this;
    return readPartitionTable({ size, sectorSize, read: (offset, length) => this.read(offset, length) });
  }

  async attachPartition({ start, size }: Pick<Partition, 'start' | 'size'>): Promise<string> {
    const { logical } = this.sectorSize;
    const device = await createLoopDevice(this.#held, this.device, {
      sectorSize: logical,
      part: { start, size },
    });
    this.#partitions.add(device);
    return device;
  }

  counters(): Promise<AdapterCounters> {
    return this.#adapter.ask({ type: 'counters' });
  }

  async discardedRanges({ start, size }: ByteRange): Promise<readonly ByteRange[]> {
    await this.#emptyCaches();
    const end = start + size;
    const found: { start: number; size: number }[] = [];
    for (let at = start; at < end; ) {
      const range = { start: at, size: end - at };
      const { ranges, until } = await this.#adapter.ask({ type: 'discarded', range });
      for (const [start, size] of ranges) {
        const last = found.at(-1);
        if (last !== undefined && last.start + last.size === start) last.size += size;
        else found.push({ start, size });
      }
      at = until;
    }
    return found;
  }

  async copyTo(
    destination: SimulatedDisk,
    pieces: readonly CopyPiece[],
    { onProgress, signal, zeroed }: CopyOptions,
  ): Promise<void> {
    if (!(destination instanceof AttachedDisk)) throw new TypeError('only attached disks can be copied to');
    signal?.throwIfAborted();
    const ordered = pieces.toSorted((one, other) => one.start - other.start);
    refuseOutside(ordered, this, destination);
    await this.#emptyCaches();
    await destination.#emptyCaches();
    const socketPath = await destination.#offer();
    const written: { bytesWritten: number; failure?: string } = { bytesWritten: 0 };
    try {
      await this.#copyAll(ordered, socketPath, { onProgress, signal, zeroed }, written);
    } catch (error) {
      if (isDestinationFailure(error)) written.failure = error.message;
      await destination.#withdraw(written);
      signal?.throwIfAborted();
      // The adapters say what is wrong with their disks, which is the reason of everything else.
      await Promise.race([this.failure, destination.failure, sleep(TROUBLE_PATIENCE_MS)]);
      throw error;
    }
    await destination.#withdraw(written);
    await destination.#emptyCaches();
  }

  async zero(range: ByteRange, { onlyFast = false, signal }: ZeroRangeOptions = {}): Promise<boolean> {
    await this.#emptyCaches();
    const isZero = await this.#adapter.ask({ type: 'zero', range, onlyFast }, { signal });
    await this.#emptyCaches();
    return isZero;
  }

  async detach(): Promise<void> {
    try {
      // What the kernel still keeps of the partitions goes to the disk, that of the disk to the adapter, and
      // everything in the adapter to the source. Only the last step tells whether any of it failed.
      await this.#held.releaseWhere(
        (resource) => resource.kind === 'loop' && resource.backing === this.device,
      );
      await run(['sync', this.device], { okExitCodes: [0, 1] });
      await this.#adapter.ask({ type: 'flush' });
    } finally {
      this.#adapter.expectEnd();
      await this.#held.releaseAll();
    }
  }

  async #copyAll(
    pieces: readonly CopyPiece[],
    socketPath: string,
    { onProgress, signal, zeroed }: CopyOptions,
    written: { bytesWritten: number },
  ): Promise<void> {
    let before = 0;
    for (let first = 0; first < pieces.length; first += PIECES_PER_MESSAGE) {
      const some = pieces.slice(first, first + PIECES_PER_MESSAGE);
      written.bytesWritten += await this.#adapter.ask(
        { type: 'copy', socketPath, pieces: some, zeroed },
        { signal, onProgress: (bytes) => onProgress(before + bytes) },
      );
      before += some.reduce((sum, { size }) => sum + size, 0);
      onProgress(before);
    }
  }

  #offer(): Promise<string> {
    const socketPath = join(this.#folder, `copy-${this.#sockets++}.sock`);
    return this.#adapter.ask({ type: 'offer', socketPath });
  }

  /** An adapter that is gone serves nobody any more. */
  async #withdraw(written: WrittenByOthers): Promise<void> {
    await this.#adapter.ask({ type: 'withdraw', ...written }).catch(() => {});
  }

  /** Has the kernel write what it holds of the disk, and read it anew from now on. */
  async #emptyCaches(): Promise<void> {
    // Those of the partitions go to the disk's.
    for (const device of [...this.#partitions, this.device]) await run(['blockdev', '--flushbufs', device]);
  }
}

function isDestinationFailure(error: unknown): error is AdapterError {
  return error instanceof AdapterError && error.code === 'DESTINATION_FAILED';
}

/** @throws {RangeError} */
function refuseOutside(
  pieces: readonly CopyPiece[],
  source: SimulatedDisk,
  destination: SimulatedDisk,
): void {
  for (const { start, size, to } of pieces) {
    if (start >= 0 && to >= 0 && start + size <= source.size && to + size <= destination.size) continue;
    throw new RangeError(
      `${size} bytes cannot be copied from ${start} of ${source.size} to ${to} of ${destination.size}`,
    );
  }
}

async function readAt(device: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(device, 'r');
  try {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
      if (bytesRead === 0) {
        throw new RangeError(`${device} ends before ${length} bytes at ${offset} are read`);
      }
      done += bytesRead;
    }
    return buffer;
  } finally {
    await handle.close();
  }
}

async function writeAt(device: string, offset: number, data: Uint8Array): Promise<void> {
  const handle = await open(device, 'r+');
  try {
    for (let done = 0; done < data.length; ) {
      done += (await handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}

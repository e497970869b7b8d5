import type { Disk } from '@diskferry/protocol/disk';
import type { LocalDisk } from '../disks/local-disk.ts';

/** Whether the disk is opened for writing. */
interface BorrowOptions {
  readonly writable: boolean;
}

type OpenDisk = (disk: LocalDisk, options: BorrowOptions) => Promise<Disk>;

interface PooledDisk {
  readonly disk: Promise<Disk>;
  users: number;
}

/**
 * Opens each disk for its first user and closes it after its last, for reading and for writing separately. A disk that takes an unplugged one's name is
 * another disk: who still uses the old one keeps it.
 */
export class DiskPool {
  readonly #openDisk: OpenDisk;
  readonly #pooled = new Map<string, PooledDisk>();
  readonly #closing = new Map<string, Promise<void>>();

  constructor(openDisk: OpenDisk) {
    this.#openDisk = openDisk;
  }

  /** A view of the disk that is the caller's own: closing it does not close the disk for others. */
  async borrow(local: LocalDisk, options: BorrowOptions = { writable: false }): Promise<Disk> {
    const key = `${local.path} ${local.generation} ${options.writable ? 'rw' : 'ro'}`;
    const pooled = this.#pooled.get(key) ?? this.#open(key, local, options);
    pooled.users++;
    try {
      return borrowed(await pooled.disk, () => this.#giveBack(key, pooled));
    } catch (error) {
      await this.#giveBack(key, pooled);
      throw error;
    }
  }

  #open(key: string, local: LocalDisk, options: BorrowOptions): PooledDisk {
    // A block device open for writing cannot be opened a second time before it is closed.
    const closed = this.#closing.get(key) ?? Promise.resolve();
    const pooled: PooledDisk = { disk: closed.then(() => this.#openDisk(local, options)), users: 0 };
    this.#pooled.set(key, pooled);
    return pooled;
  }

  async #giveBack(key: string, pooled: PooledDisk): Promise<void> {
    pooled.users--;
    if (pooled.users > 0) return;
    this.#pooled.delete(key);
    const closed = pooled.disk.then(
      (disk) => disk.close(),
      () => undefined,
    );
    const settled = closed.catch(() => undefined);
    this.#closing.set(key, settled);
    await closed.finally(() => {
      if (this.#closing.get(key) === settled) this.#closing.delete(key);
    });
  }
}

function borrowed(disk: Disk, giveBack: () => Promise<void>): Disk {
  let closed: Promise<void> | undefined;
  const extents = disk.extents?.bind(disk);
  return {
    size: disk.size,
    sectorSize: disk.sectorSize,
    readOnly: disk.readOnly,
    read: (offset, target) => disk.read(offset, target),
    write: (offset, data, options) => disk.write(offset, data, options),
    ...(disk.cache === undefined ? {} : { cache: disk.cache }),
    ...(extents === undefined ? {} : { extents }),
    flush: () => disk.flush(),
    discard: (offset, length) => disk.discard(offset, length),
    writeZeroes: (offset, length, options) => disk.writeZeroes(offset, length, options),
    close: () => (closed ??= giveBack()),
  };
}

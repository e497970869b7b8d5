/** What one NBD connection does with one disk. Bytes since it was opened. */
export interface DiskUse {
  readonly disk: string;
  /** Address of the server. */
  readonly peer: string;
  bytesRead: number;
  bytesWritten: number;
}

/** What servers did with one disk since the client was started. */
export interface DiskActivity {
  readonly disk: string;
  /** Connections that have the disk open now. */
  readonly connections: number;
  /** Addresses of the servers that have it open now. */
  readonly peers: readonly string[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly errors: number;
  readonly lastError?: string;
}

interface Total {
  bytesRead: number;
  bytesWritten: number;
  errors: number;
  lastError?: string;
}

/** Counts what servers do with the disks, for the screen. */
export class ActivityBook {
  readonly #open = new Set<DiskUse>();
  readonly #ended = new Map<string, Total>();

  begin(disk: string, peer: string): DiskUse {
    const use = { disk, peer, bytesRead: 0, bytesWritten: 0 };
    this.#open.add(use);
    return use;
  }

  end(use: DiskUse): void {
    if (!this.#open.delete(use)) return;
    const total = this.#total(use.disk);
    total.bytesRead += use.bytesRead;
    total.bytesWritten += use.bytesWritten;
  }

  fail(disk: string, message: string): void {
    const total = this.#total(disk);
    total.errors++;
    total.lastError = message;
  }

  /** In the order in which the disks were first used. */
  summary(): readonly DiskActivity[] {
    const disks = new Set([...this.#ended.keys(), ...[...this.#open].map((use) => use.disk)]);
    return [...disks].map((disk) => {
      const total = this.#ended.get(disk) ?? { bytesRead: 0, bytesWritten: 0, errors: 0 };
      const uses = [...this.#open].filter((use) => use.disk === disk);
      return {
        ...total,
        disk,
        connections: uses.length,
        peers: [...new Set(uses.map((use) => use.peer))],
        bytesRead: uses.reduce((sum, use) => sum + use.bytesRead, total.bytesRead),
        bytesWritten: uses.reduce((sum, use) => sum + use.bytesWritten, total.bytesWritten),
      };
    });
  }

  #total(disk: string): Total {
    const known = this.#ended.get(disk);
    if (known !== undefined) return known;
    const total = { bytesRead: 0, bytesWritten: 0, errors: 0 };
    this.#ended.set(disk, total);
    return total;
  }
}

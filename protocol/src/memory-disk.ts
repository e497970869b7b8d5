import { type Disk, DiskError, type SectorSize } from './disk.ts';

/** A disk in memory, for tests. */
export class MemoryDisk implements Disk {
  readonly bytes: Uint8Array;
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;

  constructor(
    bytes: Uint8Array,
    { sectorSize = { logical: 512, physical: 512 }, readOnly = false }: Partial<MemoryDiskOptions> = {},
  ) {
    this.bytes = bytes;
    this.sectorSize = sectorSize;
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.bytes.length;
  }

  async read(offset: number, target: Uint8Array): Promise<void> {
    target.set(this.bytes.subarray(offset, offset + target.length));
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#refuseReadOnly();
    this.bytes.set(data, offset);
  }

  async flush(): Promise<void> {}

  async discard(offset: number, length: number): Promise<void> {
    return this.writeZeroes(offset, length);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.#refuseReadOnly();
    this.bytes.fill(0, offset, offset + length);
  }

  async close(): Promise<void> {}

  #refuseReadOnly(): void {
    if (this.readOnly) throw new DiskError('EPERM', 'the memory disk is read-only');
  }
}

export interface MemoryDiskOptions {
  readonly sectorSize: SectorSize;
  readonly readOnly: boolean;
}

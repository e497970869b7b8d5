import type { PartitionTable } from '@diskferry/server-adapter/partitions/partition-table';
import type { ByteRange } from '@diskferry/server-adapter/partitions/readable-disk';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { Geometry } from './destination.ts';

type Writable = Pick<SimulatedDisk, 'write'>;

/**
 * Keeps back the few bytes by which firmware and systems know a partition table, so that a disk whose transfer was broken
 * off at any moment is none that they would start from or take for whole.
 */
export class WithheldSignatures implements Writable {
  readonly #places: readonly ByteRange[];
  readonly #disk: () => Writable;
  readonly #kept = new Map<number, Uint8Array>();

  /** @param disk the disk of the time when it is written */
  constructor(kind: PartitionTable['kind'], geometry: Geometry, disk: () => Writable) {
    this.#places = signaturePlaces(kind, geometry);
    this.#disk = disk;
  }

  /** Writes all of `data` but the signatures in it, which are written as zeros. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    let blanked: Uint8Array | undefined;
    for (const { start, size } of this.#places) {
      if (start < offset || start + size > offset + data.length) continue;
      blanked ??= Uint8Array.from(data);
      const at = start - offset;
      this.#kept.set(start, data.slice(at, at + size));
      blanked.fill(0, at, at + size);
    }
    await this.#disk().write(offset, blanked ?? data);
  }

  /** Writes the signatures. */
  async release(): Promise<void> {
    for (const [start, data] of this.#kept) await this.#disk().write(start, data);
  }
}

/** Of the MBR (UEFI 2.10, section 5.2.1) and of both GPT headers (section 5.3.2), in bytes. */
function signaturePlaces(kind: PartitionTable['kind'], { bytes, sectorSize }: Geometry): ByteRange[] {
  const sector = sectorSize.logical;
  const mbr = { start: 510, size: 2 };
  switch (kind) {
    case 'none':
      return [];
    case 'mbr':
      return [mbr];
    case 'gpt':
      return [mbr, { start: sector, size: 8 }, { start: bytes - (bytes % sector) - sector, size: 8 }];
  }
}

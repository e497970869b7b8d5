import type { SectorSize } from '@diskferry/protocol/disk';
import { extentsOf } from './extents.ts';
import type { LendingDisk } from './lending-disk.ts';
import { RangeLock } from './range-lock.ts';

/**
 * The same disk with other sector sizes. A larger logical sector only restricts the caller. A smaller one is bridged:
 * reads are widened to whole sectors of the disk below, and writes of a part of one read it first.
 */
export function withSectorSize(below: LendingDisk, sectorSize: SectorSize): LendingDisk {
  const view = sectorSize.logical < below.sectorSize.logical ? bridge(below) : below;
  // Extents of the disk below may end inside a larger sector, and it knows none inside its own.
  const isSame = sectorSize.logical === below.sectorSize.logical;
  return {
    size: below.size - (below.size % sectorSize.logical),
    sectorSize,
    readOnly: below.readOnly,
    read: (offset, target) => view.read(offset, target),
    ...(view.lend === undefined ? {} : { lend: view.lend.bind(view) }),
    ...(isSame ? extentsOf(below) : {}),
    write: (offset, data, options) => view.write(offset, data, options),
    flush: () => view.flush(),
    discard: (offset, length) => view.discard(offset, length),
    writeZeroes: (offset, length, options) => view.writeZeroes(offset, length, options),
    close: () => view.close(),
  };
}

/** Accepts offsets and lengths of any number of bytes. */
function bridge(below: LendingDisk): LendingDisk {
  const sector = below.sectorSize.logical;
  const lock = new RangeLock();

  function widen(offset: number, length: number): { start: number; end: number } {
    return {
      start: offset - (offset % sector),
      end: Math.min(below.size, Math.ceil((offset + length) / sector) * sector),
    };
  }

  async function read(offset: number, target: Uint8Array): Promise<void> {
    const { start, end } = widen(offset, target.length);
    if (end - start === target.length) return below.read(offset, target);
    const whole = new Uint8Array(end - start);
    await below.read(start, whole);
    target.set(whole.subarray(offset - start, offset - start + target.length));
  }

  /** Two writes to parts of one sector must not read it before either has written it. */
  function change(offset: number, length: number, work: () => Promise<void>): Promise<void> {
    const { start, end } = widen(offset, length);
    return lock.run(start, end, work);
  }

  async function overwrite(
    offset: number,
    data: Uint8Array,
    options: { readonly fua?: boolean } | undefined,
  ): Promise<void> {
    const { start, end } = widen(offset, data.length);
    if (end - start === data.length) return below.write(offset, data, options);
    const whole = new Uint8Array(end - start);
    // Only the sectors at the two ends keep something, but one request costs less than two.
    await below.read(start, whole);
    whole.set(data, offset - start);
    await below.write(start, whole, options);
  }

  /** The whole sectors inside a range, and what is left of it before and behind them. */
  function split(offset: number, length: number): { head: number; middle: number; tail: number } {
    const first = Math.min(offset + length, Math.ceil(offset / sector) * sector);
    const last = Math.max(first, offset + length - ((offset + length) % sector));
    return { head: first - offset, middle: last - first, tail: offset + length - last };
  }

  return {
    size: below.size,
    sectorSize: { logical: 1, physical: below.sectorSize.physical },
    readOnly: below.readOnly,
    read,
    write: (offset, data, options) => change(offset, data.length, () => overwrite(offset, data, options)),
    flush: () => below.flush(),
    async discard(offset, length) {
      const { head, middle } = split(offset, length);
      if (middle > 0) await below.discard(offset + head, middle);
    },
    writeZeroes: (offset, length, options) =>
      change(offset, length, async () => {
        const { head, middle, tail } = split(offset, length);
        if (head > 0) await overwrite(offset, new Uint8Array(head), undefined);
        if (middle > 0) await below.writeZeroes(offset + head, middle, options);
        if (tail > 0) await overwrite(offset + head + middle, new Uint8Array(tail), undefined);
      }),
    close: () => below.close(),
  };
}

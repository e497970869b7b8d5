import assert from 'node:assert/strict';
import type { Disk } from '@diskferry/protocol/disk';
import { Chance } from '../setup/chance.ts';
import { KIB } from '../setup/scratch.ts';
import type { Reference } from './reference.ts';

/** Requests under way at once, over all connections. */
const MAX_UNDER_WAY = 32;
/** A few requests are long, so that they are split on their way; in bytes. */
const LONG = 1536 * KIB;
const SHORT_SECTORS = 24;

interface Range {
  readonly start: number;
  readonly end: number;
  readonly changes: boolean;
}

interface Step {
  readonly what: string;
  readonly range: Range;
  run(): Promise<void>;
}

export interface StreamOptions {
  readonly seed: number;
  readonly operations: number;
  /** Connections to the same export; each operation takes one of them. */
  readonly disks: readonly Disk[];
  readonly reference: Reference;
}

/**
 * Does random operations, many at once, and holds each against a reference. Ranges that are changed do not overlap with
 * others under way, because those are in no order.
 *
 * @throws {assert.AssertionError} naming seed and operation
 */
export async function runRandomStream({ seed, operations, disks, reference }: StreamOptions): Promise<void> {
  const chance = new Chance(seed);
  const underWay = new Map<Range, Promise<void>>();
  for (let count = 0; count < operations; count++) {
    const name = `operation ${count} of seed ${seed}`;
    const step = nextStep(name, chance, chance.pick(disks), reference);
    while (underWay.size >= MAX_UNDER_WAY || isTaken(step.range, underWay)) {
      await Promise.race(underWay.values());
    }
    const done = step.run().catch((cause: unknown) => {
      throw new Error(`${name}, ${step.what}: ${(cause as Error).message}`, { cause });
    });
    underWay.set(
      step.range,
      done.finally(() => underWay.delete(step.range)),
    );
    // Only the race above or the end below reports it.
    underWay.get(step.range)?.catch(() => {});
  }
  await Promise.all(underWay.values());
  for (const disk of disks) await disk.flush();
}

function isTaken(range: Range, underWay: ReadonlyMap<Range, unknown>): boolean {
  for (const other of underWay.keys()) {
    const overlaps = range.start < other.end && other.start < range.end;
    if (overlaps && (range.changes || other.changes)) return true;
  }
  return false;
}

function nextStep(name: string, chance: Chance, disk: Disk, reference: Reference): Step {
  const sector = disk.sectorSize.logical;
  const length = lengthOf(chance, sector);
  const offset = chance.below((disk.size - length) / sector + 1) * sector;
  const range = (changes: boolean): Range => ({ start: offset, end: offset + length, changes });
  const kind = chance.below(100);
  if (kind < 40) return readStep(name, chance, disk, reference, range(false));
  if (kind < 75) {
    const fua = chance.happens(0.1);
    const data = chance.happens(0.1) ? Buffer.alloc(length) : Buffer.alloc(length, chance.bytes(sector));
    const run = async (): Promise<void> => {
      reference.write(offset, data);
      await disk.write(offset, data, { fua });
    };
    return { what: `write of ${length} bytes at ${offset}`, range: range(true), run };
  }
  if (kind < 85) {
    const mayPunch = chance.happens(0.5);
    const run = async (): Promise<void> => {
      reference.zero(offset, length);
      await disk.writeZeroes(offset, length, { mayPunch });
    };
    return { what: `zeroing of ${length} bytes at ${offset}`, range: range(true), run };
  }
  if (kind < 90) {
    const run = async (): Promise<void> => {
      reference.discard(offset, length);
      await disk.discard(offset, length);
    };
    return { what: `discard of ${length} bytes at ${offset}`, range: range(true), run };
  }
  if (kind < 93)
    return { what: 'flush', range: { start: 0, end: 0, changes: false }, run: () => disk.flush() };
  return extentsStep(name, disk, reference, range(false));
}

function lengthOf(chance: Chance, sector: number): number {
  const longest = chance.happens(0.01) ? LONG / sector : SHORT_SECTORS;
  return (1 + chance.below(longest)) * sector;
}

/** Reads need not begin or end at a sector. */
function readStep(name: string, chance: Chance, disk: Disk, reference: Reference, sectors: Range): Step {
  const start = sectors.start + (chance.happens(0.2) ? chance.below(100) : 0);
  const end = sectors.end - (chance.happens(0.2) ? chance.below(100) : 0);
  const what = `read of ${end - start} bytes at ${start}`;
  const run = async (): Promise<void> => {
    const target = Buffer.alloc(end - start);
    await disk.read(start, target);
    reference.check(name, start, target);
  };
  return { what, range: sectors, run };
}

function extentsStep(name: string, disk: Disk, reference: Reference, range: Range): Step {
  const run = async (): Promise<void> => {
    const extents = (await disk.extents?.(range.start, range.end - range.start)) ?? [];
    let place = range.start;
    for (const { length, zero } of extents) {
      assert.ok(length > 0 && place + length <= range.end, 'extents lie in the range');
      if (zero) reference.checkZero(name, place, length);
      place += length;
    }
  };
  return { what: `extents of ${range.end - range.start} bytes at ${range.start}`, range, run };
}

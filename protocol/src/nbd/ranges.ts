import type { Extent } from '../disk.ts';

/** Cuts a range at multiples of `step`, so that only its two ends can be unaligned. */
export function cutRange(offset: number, length: number, step: number): [start: number, end: number][] {
  const pieces: [number, number][] = [];
  for (let start = offset; start < offset + length; ) {
    const end = Math.min(start - (start % step) + step, offset + length);
    pieces.push([start, end]);
    start = end;
  }
  return pieces;
}

/**
 * The part of some extents between two places, which are counted from the start of the first extent. There is at least one: data
 * where the extents end before.
 */
export function extentsWithin(extents: readonly Extent[], start: number, end: number): readonly Extent[] {
  const inside: Extent[] = [];
  let at = 0;
  for (const extent of extents) {
    const from = Math.max(at, start);
    at += extent.length;
    const length = Math.min(at, end) - from;
    if (length > 0) inside.push({ ...extent, length });
  }
  return inside.length === 0 ? [{ length: end - start, hole: false, zero: false }] : inside;
}

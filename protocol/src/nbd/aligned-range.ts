/** A range of whole sectors around one that may begin and end anywhere. Bytes. */
export interface AlignedRange {
  readonly offset: number;
  readonly length: number;
  /** How far the range inside begins behind this one. */
  readonly before: number;
}

/** Clients that do not know the sectors may read anything; disks are read in whole sectors. */
export function alignOutwards(offset: number, length: number, sector: number): AlignedRange {
  const before = offset % sector;
  const after = (sector - ((before + length) % sector)) % sector;
  return { offset: offset - before, length: before + length + after, before };
}

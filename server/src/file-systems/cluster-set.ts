/** A set of the clusters of a volume, one bit each. Clusters are numbered from 0. */
export interface ClusterSet {
  readonly clusters: number;
  /** Bit 0 of byte 0 is cluster 0. */
  readonly bits: Buffer;
}

export function emptyClusterSet(clusters: number): ClusterSet {
  return { clusters, bits: Buffer.alloc(Math.ceil(clusters / 8)) };
}

/** Adds clusters. Returns false, without adding all of them, when one is in the set already or beyond its end. */
export function addClusters({ clusters, bits }: ClusterSet, first: number, count: number): boolean {
  const end = first + count;
  if (end > clusters) return false;
  let cluster = first;
  while (cluster < end) {
    const byte = Math.floor(cluster / 8);
    const from = cluster % 8;
    const until = Math.min(8, from + end - cluster);
    const mask = (0xff >> (8 - (until - from))) << from;
    const before = bits[byte] ?? 0;
    if ((before & mask) !== 0) return false;
    bits[byte] = before | mask;
    cluster += until - from;
  }
  return true;
}

/** Takes clusters out again. */
export function removeClusters({ bits }: ClusterSet, first: number, count: number): void {
  for (let cluster = first; cluster < first + count; cluster++) {
    const byte = Math.floor(cluster / 8);
    bits[byte] = (bits[byte] ?? 0) & ~(1 << (cluster % 8));
  }
}

/** Pieces of a volume, sorted, none touching another; two numbers each. Compact: a disk can have millions. */
export interface Extents {
  readonly length: number;
  /** Of the extent at `index`, in clusters. */
  readonly start: (index: number) => number;
  readonly count: (index: number) => number;
}

/** The clusters of a set as pieces. */
export function extentsOf(set: ClusterSet): Extents {
  const numbers: number[] = [];
  let start = findBit(set, 0, 1);
  while (start < set.clusters) {
    const end = findBit(set, start, 0);
    numbers.push(start, end - start);
    start = findBit(set, end, 1);
  }
  const pairs = Float64Array.from(numbers);
  return {
    length: pairs.length / 2,
    start: (index) => pairs[index * 2] ?? 0,
    count: (index) => pairs[index * 2 + 1] ?? 0,
  };
}

/** The first cluster from `start` on that is in the set (`value` 1) or is not (0); the end of the volume if none. */
function findBit({ clusters, bits }: ClusterSet, start: number, value: 0 | 1): number {
  const boring = value === 1 ? 0x00 : 0xff;
  let cluster = start;
  while (cluster < clusters) {
    const byte = bits[Math.floor(cluster / 8)] ?? 0;
    if (byte === boring) {
      cluster += 8 - (cluster % 8);
    } else if (((byte >> (cluster % 8)) & 1) === value) {
      return cluster;
    } else {
      cluster++;
    }
  }
  return clusters;
}

/** The pieces of some extents that are not in others, which are all parts of the first. */
export function* gapsBetween(extents: Extents, parts: Extents): Generator<{ start: number; count: number }> {
  let part = 0;
  for (let index = 0; index < extents.length; index++) {
    let start = extents.start(index);
    const end = start + extents.count(index);
    for (; part < parts.length && parts.start(part) < end; part++) {
      if (parts.start(part) > start) yield { start, count: parts.start(part) - start };
      start = parts.start(part) + parts.count(part);
    }
    if (start < end) yield { start, count: end - start };
  }
}

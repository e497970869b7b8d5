import { FileSystemError } from './errors.ts';
import { type FatGeometry, type FatKind, FIRST_CLUSTER } from './fat-geometry.ts';

/** Entries from here on end a chain; the one before marks a bad cluster. */
const END_OF_CHAIN: Readonly<Record<FatKind, number>> = { 12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8 };
export const LAST_IN_CHAIN: Readonly<Record<FatKind, number>> = { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff };
/** The upper four bits of a FAT32 entry are reserved and must be kept. */
const ENTRY_MASK_32 = 0x0fffffff;
/** Bit of entry 1 that says that the volume was unmounted; FAT12 has none. */
const CLEAN_BIT: Readonly<Record<FatKind, number>> = { 12: 0, 16: 0x8000, 32: 0x08000000 };

/** A file allocation table in memory. */
export interface FatTable {
  readonly kind: FatKind;
  readonly bytes: Buffer;
}

/** The entry of a cluster: the number of the next one, or a mark. */
export function readEntry({ kind, bytes }: FatTable, cluster: number): number {
  switch (kind) {
    case 12: {
      // Two entries share three bytes.
      const pair = bytes.readUInt16LE(cluster + (cluster >> 1));
      return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
    }
    case 16:
      return bytes.readUInt16LE(cluster * 2);
    case 32:
      return bytes.readUInt32LE(cluster * 4) & ENTRY_MASK_32;
  }
}

export function writeEntry({ kind, bytes }: FatTable, cluster: number, value: number): void {
  switch (kind) {
    case 12: {
      const offset = cluster + (cluster >> 1);
      const pair = bytes.readUInt16LE(offset);
      bytes.writeUInt16LE(
        cluster % 2 === 0 ? (pair & 0xf000) | value : (pair & 0x000f) | (value << 4),
        offset,
      );
      return;
    }
    case 16:
      bytes.writeUInt16LE(value, cluster * 2);
      return;
    case 32: {
      const reserved = bytes.readUInt32LE(cluster * 4) & ~ENTRY_MASK_32;
      bytes.writeUInt32LE((reserved | value) >>> 0, cluster * 4);
    }
  }
}

/** An empty table for a twin, with the media type and the state that stand in the first two entries of its source. */
export function emptyTable(source: FatTable, { kind, fatBytes }: FatGeometry): FatTable {
  const empty = { kind, bytes: Buffer.alloc(fatBytes) };
  if (kind === source.kind) {
    source.bytes.copy(empty.bytes, 0, 0, Math.ceil((FIRST_CLUSTER * kind) / 8));
    return empty;
  }
  const media = readEntry(source, 0) & 0xff;
  writeEntry(empty, 0, (LAST_IN_CHAIN[kind] & ~0xff) | media);
  const clean = isDirty(source) ? 0 : CLEAN_BIT[kind];
  writeEntry(empty, 1, (LAST_IN_CHAIN[kind] & ~CLEAN_BIT[kind]) | clean);
  return empty;
}

/** Whether the system that used the volume last did not unmount it. */
export function isDirty(table: FatTable): boolean {
  return (readEntry(table, 1) & CLEAN_BIT[table.kind]) !== CLEAN_BIT[table.kind];
}

/** Clusters in one piece. */
export interface ClusterRun {
  readonly first: number;
  readonly count: number;
}

/** Follows chains and remembers whose clusters are taken, so that no cluster belongs to two files. */
export interface ChainReader {
  /** The clusters from `start` to the end of the chain. Throws {FileSystemError} `DAMAGED` naming the owner. */
  readonly follow: (start: number, owner: string) => ClusterRun[];
  /** Clusters that were followed so far. */
  readonly used: () => number;
  /** Clusters that are in use by no chain that was followed; bad ones do not count. */
  readonly lost: () => number;
}

export function readChains(table: FatTable, { clusterCount }: FatGeometry): ChainReader {
  const taken = new Uint8Array(clusterCount + FIRST_CLUSTER);
  const endMark = END_OF_CHAIN[table.kind];
  let used = 0;
  const take = (cluster: number, owner: string): void => {
    if (cluster < FIRST_CLUSTER || cluster >= taken.length) {
      throw new FileSystemError('DAMAGED', `the clusters of ${owner} lead to a wrong number (${cluster})`);
    }
    if (taken[cluster] === 1) {
      throw new FileSystemError('DAMAGED', `the clusters of ${owner} belong to another file too`);
    }
    taken[cluster] = 1;
    used++;
  };
  return {
    follow: (start, owner) => {
      const runs: ClusterRun[] = [];
      let first = start;
      let previous = start - 1;
      let cluster = start;
      do {
        take(cluster, owner);
        if (cluster !== previous + 1) {
          runs.push({ first, count: previous + 1 - first });
          first = cluster;
        }
        previous = cluster;
        cluster = readEntry(table, cluster);
      } while (cluster < endMark);
      return [...runs, { first, count: previous + 1 - first }];
    },
    used: () => used,
    lost: () => {
      const inUse = taken.filter((mark, cluster) => {
        const entry = mark === 1 || cluster < FIRST_CLUSTER ? 0 : readEntry(table, cluster);
        return entry !== 0 && entry !== endMark - 1;
      });
      return inUse.length;
    },
  };
}

/** How many clusters some runs have. */
export function countClusters(runs: readonly ClusterRun[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0);
}

import { slotsWithCluster } from './fat-directory.ts';
import { type FatGeometry, FIRST_CLUSTER } from './fat-geometry.ts';
import type { FilePlaces } from './fat-pieces.ts';
import {
  type ClusterRun,
  countClusters,
  emptyTable,
  type FatTable,
  LAST_IN_CHAIN,
  writeEntry,
} from './fat-table.ts';
import { clustersOfFolder, type FatNode, type FatVolume } from './fat-volume.ts';

/** A folder as it is to be written; the root folder of FAT12 and FAT16 has no clusters. */
export interface NewFolder {
  readonly clusters: readonly ClusterRun[];
  readonly content: Buffer;
}

/** What a twin consists of: every file and folder in one piece, one after another, from the first cluster on. */
export interface FatLayout {
  readonly table: FatTable;
  readonly folders: readonly NewFolder[];
  readonly files: readonly FilePlaces[];
  readonly usedClusters: number;
  readonly nextFree: number;
}

interface Builder {
  readonly volume: FatVolume;
  /** Of the twin. */
  readonly geometry: FatGeometry;
  readonly table: FatTable;
  readonly folders: NewFolder[];
  readonly files: FilePlaces[];
  next: number;
  used: number;
}

/**
 * Lays the twin of a volume out. The root folder of FAT32 stands where the boot sector says.
 *
 * @param geometry of the twin
 */
export function layOutTwin(volume: FatVolume, geometry: FatGeometry): FatLayout {
  const { root } = volume;
  const table = emptyTable(volume.table, geometry);
  const builder: Builder = { volume, geometry, table, folders: [], files: [], next: FIRST_CLUSTER, used: 0 };
  const isFat32 = geometry.kind === 32;
  const rootClusters = isFat32 ? rootClustersOf(builder) : [];
  if (isFat32) takeChain(builder, rootClusters);
  layOutFolder(builder, root, rootClusters, { self: 0, parent: 0 });
  const { folders, files, used, next } = builder;
  return { table, folders, files, usedClusters: used, nextFree: next };
}

function rootClustersOf(builder: Builder): ClusterRun[] {
  const { geometry, volume } = builder;
  const count = clustersOfFolder(volume.root, geometry.clusterSize);
  return [{ first: geometry.rootCluster, count: 1 }, ...allocate(builder, count - 1)];
}

function layOutFolder(
  builder: Builder,
  nodes: readonly FatNode[],
  clusters: readonly ClusterRun[],
  links: { readonly self: number; readonly parent: number },
): void {
  const content = nodes.map((node) => layOutNode(builder, node, links));
  builder.folders.push({ clusters, content: Buffer.concat(content) });
}

/** Gives a node its new clusters and returns its entries in its folder. */
function layOutNode(
  builder: Builder,
  { item, chain, children }: FatNode,
  links: { readonly self: number; readonly parent: number },
): Buffer {
  const { clusterSize, kind } = builder.geometry;
  const kinds = { from: builder.volume.geometry.kind, to: kind };
  switch (item.kind) {
    case 'label':
      return item.slots;
    case 'self':
      return slotsWithCluster(item, kinds, links.self);
    case 'parent':
      return slotsWithCluster(item, kinds, links.parent);
    case 'file': {
      const clusters = allocate(builder, Math.ceil(item.size / clusterSize));
      takeChain(builder, clusters);
      if (item.size > 0) builder.files.push({ from: chain, to: clusters, size: item.size });
      return slotsWithCluster(item, kinds, clusters[0]?.first ?? 0);
    }
    case 'folder': {
      const clusters = allocate(builder, clustersOfFolder(children, clusterSize));
      takeChain(builder, clusters);
      const self = clusters[0]?.first ?? 0;
      layOutFolder(builder, children, clusters, { self, parent: links.self });
      return slotsWithCluster(item, kinds, self);
    }
  }
}

/** The next clusters: one piece, or two around the first cluster of the root folder. */
function allocate(builder: Builder, count: number): ClusterRun[] {
  const { rootCluster } = builder.geometry;
  const first = builder.next;
  if (count === 0) return [];
  if (rootCluster < first || rootCluster >= first + count) {
    builder.next = first + count;
    return [{ first, count }];
  }
  builder.next = first + count + 1;
  const before = { first, count: rootCluster - first };
  const after = { first: rootCluster + 1, count: count - before.count };
  return [before, after].filter((run) => run.count > 0);
}

function takeChain(builder: Builder, runs: readonly ClusterRun[]): void {
  const { table } = builder;
  for (const [index, { first, count }] of runs.entries()) {
    const last = first + count - 1;
    for (let cluster = first; cluster < last; cluster++) writeEntry(table, cluster, cluster + 1);
    writeEntry(table, last, runs[index + 1]?.first ?? LAST_IN_CHAIN[table.kind]);
  }
  builder.used += countClusters(runs);
}

import type { FileHandle } from 'node:fs/promises';
import { writeAt, writeNonZero } from './block-device.ts';
import { addClusters, emptyClusterSet } from './cluster-set.ts';
import type { Destination } from './destination.ts';
import { entriesWithPlaces, type ExfatPlace } from './exfat-folder.ts';
import { BOOT_REGION_SECTORS, type ExfatGeometry, FIRST_CLUSTER, makeBootRegion } from './exfat-geometry.ts';
import { END_OF_CHAIN, type ExfatNode, type ExfatVolume, piecesOf } from './exfat-volume.ts';
import type { ExtentMove } from './extent-copy.ts';

const MAX_CLUSTERS = 2 ** 32 - 11;
const FIRST_TABLE_ENTRIES = [0xfffffff8, 0xffffffff];
/** Larger boundaries of flash memory are not kept where they cost much. */
const MAX_ALIGNMENT = 1024 * 1024;

/** A volume with the size of the device that it is on, in bytes. */
export interface ExfatSource {
  readonly volume: ExfatVolume;
  readonly size: number;
}

/** What the twin has on a device: the source's own geometry where it is like the source's device. */
export function planExfat({ volume, size }: ExfatSource, destination: Destination): ExfatGeometry {
  const { geometry } = volume;
  const { sectorBytes } = destination;
  if (destination.bytes === size && sectorBytes === geometry.sectorBytes) return geometry;
  const clusterBytes = Math.max(geometry.clusterBytes, sectorBytes);
  const volumeBytes = Math.floor(destination.bytes / sectorBytes) * sectorBytes;
  const leastOffset = 2 * BOOT_REGION_SECTORS * sectorBytes;
  const fatOffset = Math.max(leastOffset, roundUp(geometry.fatOffset, sectorBytes));
  const atMost = Math.min(MAX_CLUSTERS, Math.max(1, Math.floor((volumeBytes - fatOffset) / clusterBytes)));
  const fatBytes = roundUp((atMost + FIRST_CLUSTER) * 4, sectorBytes);
  const heapOffset = roundUp(fatOffset + fatBytes, Math.max(sectorBytes, alignmentOf(geometry.heapOffset)));
  const clusterCount = Math.max(0, Math.min(atMost, Math.floor((volumeBytes - heapOffset) / clusterBytes)));
  return {
    ...geometry,
    sectorBytes,
    clusterBytes,
    volumeBytes,
    fatOffset,
    fatBytes,
    heapOffset,
    clusterCount,
  };
}

function alignmentOf(offset: number): number {
  let alignment = 512;
  while (alignment < MAX_ALIGNMENT && offset % (alignment * 2) === 0) alignment *= 2;
  return alignment;
}

/** What a twin consists of: everything in one piece, one after another. */
export interface ExfatLayout {
  readonly geometry: ExfatGeometry;
  readonly folders: readonly { readonly cluster: number; readonly content: Buffer }[];
  readonly moves: readonly ExtentMove[];
  /** Chains that the table tells of, because no entry can say that they are in one piece. */
  readonly chained: readonly { readonly first: number; readonly count: number }[];
  readonly bitmapCluster: number;
  readonly usedClusters: number;
}

interface Builder {
  readonly source: ExfatGeometry;
  readonly geometry: ExfatGeometry;
  readonly folders: { cluster: number; content: Buffer }[];
  readonly moves: ExtentMove[];
  readonly chained: { first: number; count: number }[];
  next: number;
  bitmapCluster: number;
}

/** Lays the twin out. It may need more clusters than there are: look at `usedClusters`. */
export function layOutExfat({ geometry: source, root }: ExfatVolume, geometry: ExfatGeometry): ExfatLayout {
  const builder: Builder = {
    source,
    geometry,
    folders: [],
    moves: [],
    chained: [],
    next: FIRST_CLUSTER,
    bitmapCluster: 0,
  };
  // First, as every formatter does: map of the clusters, table of capitals, root folder.
  const own = new Map(root.filter(isOfVolume).map((node) => [node, placeNode(builder, node)]));
  const count = clustersFor(geometry, folderBytes(root));
  const rootCluster = allocate(builder, count);
  builder.chained.push({ first: rootCluster, count });
  const content = root.map((node) => own.get(node) ?? placeNode(builder, node));
  builder.folders.push({ cluster: rootCluster, content: padded(geometry, content) });
  const { folders, chained, bitmapCluster } = builder;
  return {
    geometry: { ...geometry, rootCluster },
    folders,
    moves: builder.moves.toSorted((a, b) => a.from - b.from),
    chained,
    bitmapCluster,
    usedClusters: builder.next - FIRST_CLUSTER,
  };
}

function isOfVolume({ item }: ExfatNode): boolean {
  return item.kind === 'bitmap' || item.kind === 'upcase';
}

/** Gives a node its clusters and returns its entries. */
function placeNode(builder: Builder, node: ExfatNode): Buffer {
  const { geometry } = builder;
  const { item, children } = node;
  if (item.kind === 'bitmap') {
    const bytes = Math.ceil(geometry.clusterCount / 8);
    builder.bitmapCluster = chain(builder, bytes);
    return entriesWithPlaces(item, [{ cluster: builder.bitmapCluster, bytes }]);
  }
  if (item.kind === 'folder') {
    const bytes = clustersFor(geometry, folderBytes(children)) * geometry.clusterBytes;
    const cluster = allocate(builder, bytes / geometry.clusterBytes);
    const content = children.map((child) => placeNode(builder, child));
    builder.folders.push({ cluster, content: padded(geometry, content) });
    return entriesWithPlaces(item, [{ cluster, bytes }, ...placeContents(builder, node).slice(1)]);
  }
  return entriesWithPlaces(item, placeContents(builder, node));
}

function placeContents(builder: Builder, { item, chains }: ExfatNode): (ExfatPlace | undefined)[] {
  const { geometry, source, moves } = builder;
  return item.allocations.map(({ bytes, validBytes }, index) => {
    const runs = chains[index] ?? [];
    if (runs.length === 0 || (item.kind === 'folder' && index === 0)) return undefined;
    const cluster =
      item.kind === 'upcase' ? chain(builder, bytes) : allocate(builder, clustersFor(geometry, bytes));
    let to = placeOf(geometry, cluster);
    for (const { offset, length } of piecesOf(source, runs, validBytes)) {
      moves.push({ from: offset, to, length });
      to += length;
    }
    return { cluster };
  });
}

function chain(builder: Builder, bytes: number): number {
  const count = clustersFor(builder.geometry, bytes);
  const first = allocate(builder, count);
  builder.chained.push({ first, count });
  return first;
}

function allocate(builder: Builder, count: number): number {
  const first = builder.next;
  builder.next += count;
  return first;
}

function clustersFor({ clusterBytes }: ExfatGeometry, bytes: number): number {
  return Math.max(1, Math.ceil(bytes / clusterBytes));
}

function folderBytes(nodes: readonly ExfatNode[]): number {
  return nodes.reduce((sum, { item }) => sum + item.entries.length, 0);
}

/** A folder owns whole clusters; what is behind its last entry must read as zeros. */
function padded({ clusterBytes }: ExfatGeometry, content: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(content);
  return Buffer.concat([
    bytes,
    Buffer.alloc(Math.max(clusterBytes, roundUp(bytes.length, clusterBytes)) - bytes.length),
  ]);
}

function placeOf({ heapOffset, clusterBytes }: ExfatGeometry, cluster: number): number {
  return heapOffset + (cluster - FIRST_CLUSTER) * clusterBytes;
}

/** Writes all but the contents of files; the boot region last. */
export async function writeExfatStructure(
  to: FileHandle,
  { bootRegion, geometry: source }: ExfatVolume,
  layout: ExfatLayout,
  { partitionOffset, zeroed }: { readonly partitionOffset: number | undefined; readonly zeroed: boolean },
): Promise<void> {
  const { geometry, folders, chained, bitmapCluster, usedClusters } = layout;
  for (const { cluster, content } of folders) await writeAt(to, placeOf(geometry, cluster), content);
  const table = Buffer.alloc(geometry.fatBytes);
  for (const [index, value] of FIRST_TABLE_ENTRIES.entries()) table.writeUInt32LE(value, index * 4);
  for (const { first, count } of chained) {
    for (let cluster = first; cluster < first + count; cluster++) {
      table.writeUInt32LE(cluster === first + count - 1 ? END_OF_CHAIN : cluster + 1, cluster * 4);
    }
  }
  await (zeroed ? writeNonZero(to, geometry.fatOffset, table) : writeAt(to, geometry.fatOffset, table));
  const used = emptyClusterSet(geometry.clusterCount);
  addClusters(used, 0, usedClusters);
  await writeAt(to, placeOf(geometry, bitmapCluster), used.bits);
  const region = makeBootRegion(bootRegion, source.sectorBytes, geometry, partitionOffset);
  await to.sync();
  await writeAt(to, region.length, region);
  await writeAt(to, 0, region);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

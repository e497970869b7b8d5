import type { FileHandle } from 'node:fs/promises';
import { readAt } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import { type FatItem, parseDirectory } from './fat-directory.ts';
import {
  BOOT_SECTOR_BYTES,
  type FatGeometry,
  type FatKind,
  offsetOfCluster,
  parseBootSector,
} from './fat-geometry.ts';
import { type ChainReader, type ClusterRun, countClusters, type FatTable, readChains } from './fat-table.ts';

/** A file or folder and the clusters that hold it on the source. */
export interface FatNode {
  readonly item: FatItem;
  readonly chain: readonly ClusterRun[];
  /** What is in a folder; empty for a file. */
  readonly children: readonly FatNode[];
}

/** All of a FAT volume but the contents of its files. */
export interface FatVolume {
  readonly geometry: FatGeometry;
  readonly reserved: Buffer;
  readonly table: FatTable;
  readonly root: readonly FatNode[];
  readonly usedClusters: number;
  /** Clusters in use that no file owns: traces of an interrupted write. */
  readonly lostClusters: number;
}

/**
 * Reads the structure of a volume and checks that it is sound: each chain ends, none share clusters, and each is
 * long enough for its file.
 *
 * @throws {FileSystemError} `DAMAGED` naming the file
 */
export async function readVolume(device: FileHandle, deviceSize: number): Promise<FatVolume> {
  const geometry = parseBootSector(await readAt(device, 0, BOOT_SECTOR_BYTES), deviceSize);
  const { kind, reservedBytes, fatBytes, activeFat, rootOffset, rootBytes, rootCluster } = geometry;
  const reserved = await readAt(device, 0, reservedBytes);
  const table = { kind, bytes: await readAt(device, reservedBytes + activeFat * fatBytes, fatBytes) };
  const chains = readChains(table, geometry);
  const rootChain = kind === 32 ? chains.follow(rootCluster, 'the root folder') : [];
  const rootContent =
    kind === 32 ? await readChain(device, geometry, rootChain) : await readAt(device, rootOffset, rootBytes);
  const walk = { device, geometry, chains };
  const root = await readFolder(walk, rootContent, '');
  return { geometry, reserved, table, root, usedClusters: chains.used(), lostClusters: chains.lost() };
}

/** In characters of short names: far beyond what any system makes, and far from the end of the stack. */
const MAX_PATH_LENGTH = 4096;

interface Walk {
  readonly device: FileHandle;
  readonly geometry: FatGeometry;
  readonly chains: ChainReader;
}

async function readFolder(walk: Walk, content: Buffer, path: string): Promise<FatNode[]> {
  if (path.length > MAX_PATH_LENGTH) {
    throw new FileSystemError('DAMAGED', `its folders go too deep, at ${path.slice(0, 80)}...`);
  }
  const nodes: FatNode[] = [];
  for (const item of parseDirectory(content, walk.geometry.kind)) {
    nodes.push(await readNode(walk, item, `${path}/${item.name}`));
  }
  return nodes;
}

async function readNode(walk: Walk, item: FatItem, path: string): Promise<FatNode> {
  switch (item.kind) {
    case 'label':
    case 'self':
    case 'parent':
      return { item, chain: [], children: [] };
    case 'file': {
      const chain = item.cluster === 0 ? [] : walk.chains.follow(item.cluster, path);
      const room = countClusters(chain) * walk.geometry.clusterSize;
      if (room < item.size) {
        throw new FileSystemError('DAMAGED', `${path} has ${item.size} bytes, but clusters for ${room}`);
      }
      return { item, chain, children: [] };
    }
    case 'folder': {
      const chain = walk.chains.follow(item.cluster, path);
      const content = await readChain(walk.device, walk.geometry, chain);
      return { item, chain, children: await readFolder(walk, content, path) };
    }
  }
}

async function readChain(
  device: FileHandle,
  geometry: FatGeometry,
  chain: readonly ClusterRun[],
): Promise<Buffer> {
  const { clusterSize } = geometry;
  const pieces: Buffer[] = [];
  for (const { first, count } of chain) {
    pieces.push(await readAt(device, offsetOfCluster(geometry, first), count * clusterSize));
  }
  return Buffer.concat(pieces);
}

/** How many clusters the files and folders of a volume take where clusters have another size. */
export function clustersNeeded(
  { root }: FatVolume,
  { kind, clusterSize }: { readonly kind: FatKind; readonly clusterSize: number },
): number {
  const inside = (nodes: readonly FatNode[]): number =>
    nodes.reduce((sum, node) => sum + clustersOfNode(node, clusterSize) + inside(node.children), 0);
  return inside(root) + (kind === 32 ? clustersOfFolder(root, clusterSize) : 0);
}

function clustersOfNode({ item, children }: FatNode, clusterSize: number): number {
  if (item.kind === 'file') return Math.ceil(item.size / clusterSize);
  return item.kind === 'folder' ? clustersOfFolder(children, clusterSize) : 0;
}

/** How many clusters the entries of a folder take; an empty one has one. */
export function clustersOfFolder(nodes: readonly FatNode[], clusterSize: number): number {
  const bytes = nodes.reduce((sum, { item }) => sum + item.slots.length, 0);
  return Math.max(1, Math.ceil(bytes / clusterSize));
}

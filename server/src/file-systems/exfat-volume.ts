import type { FileHandle } from 'node:fs/promises';
import { readAt } from './block-device.ts';
import { addClusters, type ClusterSet, emptyClusterSet } from './cluster-set.ts';
import { FileSystemError } from './errors.ts';
import { type ExfatItem, parseExfatFolder } from './exfat-folder.ts';
import {
  BOOT_REGION_SECTORS,
  BOOT_SECTOR_BYTES,
  type ExfatGeometry,
  FIRST_CLUSTER,
  parseExfatBootSector,
} from './exfat-geometry.ts';

/** Clusters in one piece. */
interface ExfatRun {
  readonly first: number;
  readonly count: number;
}

/** An entry set of a folder with the clusters that it owns. */
export interface ExfatNode {
  readonly item: ExfatItem;
  /** One chain for each of the item's allocations. */
  readonly chains: readonly (readonly ExfatRun[])[];
  /** What is in a folder. */
  readonly children: readonly ExfatNode[];
}

/** All of an exFAT volume but the contents of its files. */
export interface ExfatVolume {
  readonly geometry: ExfatGeometry;
  readonly bootRegion: Buffer;
  readonly root: readonly ExfatNode[];
  readonly usedClusters: number;
  /** Clusters that are marked as used and belong to no file. */
  readonly lostClusters: number;
}

/** Bytes of a file in one piece on the volume. */
interface Piece {
  readonly offset: number;
  readonly length: number;
}

interface Walk {
  readonly device: FileHandle;
  readonly geometry: ExfatGeometry;
  readonly table: Buffer;
  readonly used: ClusterSet;
  usedClusters: number;
}

/**
 * Reads the structure of a volume and checks that it is sound.
 *
 * @throws {FileSystemError} `DAMAGED` naming the file
 */
export async function readExfatVolume(device: FileHandle, deviceBytes: number): Promise<ExfatVolume> {
  const geometry = parseExfatBootSector(await readAt(device, 0, BOOT_SECTOR_BYTES), deviceBytes);
  const { clusterCount, fatOffset, rootCluster, sectorBytes } = geometry;
  const walk: Walk = {
    device,
    geometry,
    table: await readAt(device, fatOffset, (clusterCount + FIRST_CLUSTER) * 4),
    used: emptyClusterSet(clusterCount),
    usedClusters: 0,
  };
  const rootChain = followTable(walk, rootCluster, 'the root folder');
  const root = await readFolder(walk, rootChain, Number.POSITIVE_INFINITY, '');
  return {
    geometry,
    bootRegion: await readAt(device, 0, BOOT_REGION_SECTORS * sectorBytes),
    root,
    usedClusters: walk.usedClusters,
    lostClusters: await countLost(walk, root),
  };
}

/** In characters: far beyond what any system makes, and far from the end of the stack. */
const MAX_PATH_LENGTH = 32_768;

async function readFolder(
  walk: Walk,
  chain: readonly ExfatRun[],
  length: number,
  path: string,
): Promise<ExfatNode[]> {
  if (path.length > MAX_PATH_LENGTH) throw new FileSystemError('DAMAGED', 'its folders go too deep');
  const pieces = await Promise.all(
    [...piecesOf(walk.geometry, chain, length)].map((piece) =>
      readAt(walk.device, piece.offset, piece.length),
    ),
  );
  const nodes: ExfatNode[] = [];
  for (const item of parseExfatFolder(Buffer.concat(pieces), path)) {
    const name = `${path}/${item.name}`;
    const chains = item.allocations.map(({ cluster, bytes, isContiguous }) => {
      if (cluster === 0 || bytes === 0) return [];
      const count = Math.ceil(bytes / walk.geometry.clusterBytes);
      const runs = isContiguous
        ? take(walk, [{ first: cluster, count }], name)
        : followTable(walk, cluster, name);
      if (runs.reduce((sum, run) => sum + run.count, 0) < count) {
        throw new FileSystemError('DAMAGED', `${name} has less clusters than its size takes`);
      }
      return runs;
    });
    const size = item.allocations[0]?.bytes ?? 0;
    const children = item.kind === 'folder' ? await readFolder(walk, chains[0] ?? [], size, name) : [];
    nodes.push({ item, chains, children });
  }
  return nodes;
}

/** The chain that the table tells of, as pieces. */
function followTable(walk: Walk, start: number, owner: string): readonly ExfatRun[] {
  const runs: { first: number; count: number }[] = [];
  let cluster = start;
  let length = 0;
  while (cluster >= FIRST_CLUSTER && cluster < walk.geometry.clusterCount + FIRST_CLUSTER) {
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === cluster) last.count++;
    else runs.push({ first: cluster, count: 1 });
    if (++length > walk.geometry.clusterCount)
      throw new FileSystemError('DAMAGED', `the clusters of ${owner} go in a circle`);
    cluster = walk.table.readUInt32LE(cluster * 4);
  }
  if (cluster !== END_OF_CHAIN)
    throw new FileSystemError('DAMAGED', `the clusters of ${owner} lead to a wrong number`);
  return take(walk, runs, owner);
}

export const END_OF_CHAIN = 0xffffffff;

function take(walk: Walk, runs: readonly ExfatRun[], owner: string): readonly ExfatRun[] {
  for (const { first, count } of runs) {
    if (first < FIRST_CLUSTER || !addClusters(walk.used, first - FIRST_CLUSTER, count)) {
      throw new FileSystemError(
        'DAMAGED',
        `the clusters of ${owner} belong to another file too, or do not exist`,
      );
    }
    walk.usedClusters += count;
  }
  return runs;
}

/** The bytes of a chain, piece by piece. */
export function* piecesOf(
  { heapOffset, clusterBytes }: ExfatGeometry,
  chain: readonly ExfatRun[],
  length: number,
): Generator<Piece> {
  let rest = length;
  for (const { first, count } of chain) {
    const bytes = Math.min(rest, count * clusterBytes);
    if (bytes > 0) yield { offset: heapOffset + (first - FIRST_CLUSTER) * clusterBytes, length: bytes };
    rest -= bytes;
  }
}

async function countLost(walk: Walk, root: readonly ExfatNode[]): Promise<number> {
  const bitmap = root.find(({ item }) => item.kind === 'bitmap');
  if (bitmap === undefined) throw new FileSystemError('DAMAGED', 'it has no map of its clusters');
  const pieces: Buffer[] = [];
  for (const { offset, length } of piecesOf(walk.geometry, bitmap.chains[0] ?? [], walk.used.bits.length)) {
    pieces.push(await readAt(walk.device, offset, length));
  }
  const marks = Buffer.concat(pieces);
  let lost = 0;
  for (const [index, byte] of walk.used.bits.entries()) {
    const mark = marks[index] ?? 0;
    if ((byte & ~mark) !== 0) {
      throw new FileSystemError(
        'DAMAGED',
        'clusters of a file are marked as free; check it with fsck.exfat or chkdsk',
      );
    }
    const inVolume = Math.min(8, walk.geometry.clusterCount - index * 8);
    for (let rest = mark & ~byte & (0xff >> (8 - inVolume)); rest !== 0; rest &= rest - 1) lost++;
  }
  return lost;
}

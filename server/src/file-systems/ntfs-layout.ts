import {
  addClusters,
  type ClusterSet,
  emptyClusterSet,
  type Extents,
  removeClusters,
} from './cluster-set.ts';
import type { Destination } from './destination.ts';
import { FileSystemError } from './errors.ts';
import type { NtfsGeometry } from './ntfs-geometry.ts';
import { SYSTEM_FILE } from './ntfs-record.ts';
import { type NtfsRun, storedClusters } from './ntfs-runs.ts';
import type { NtfsSurvey } from './ntfs-survey.ts';

/** What is made on a device, before places are given. */
export interface NtfsShape {
  readonly geometry: NtfsGeometry;
  /** System files that get new places, because their size changes: clusters by their number. */
  readonly rebuilt: ReadonlyMap<number, number>;
}

/** The bitmap is counted in units of 8 bytes. */
const BITMAP_UNIT_CLUSTERS = 64;
/** The mirror repeats so many records, and at least a cluster. */
const MIRRORED_RECORDS = 4;

/** The geometry of a twin. On a device of the source's size and sectors, it is that of the source. */
export function shapeNtfs(survey: NtfsSurvey, size: number, destination: Destination): NtfsShape {
  const { geometry } = survey;
  const { bytes, sectorBytes } = destination;
  const whole = shapeOf(survey, sectorBytes, Math.floor(bytes / sectorBytes) - 1);
  if (sectorBytes !== geometry.sectorBytes || bytes < size) return whole;
  // A full volume on a device that is a little larger may have no room to grow.
  const grows = bytes > size && clustersNeeded(survey, whole) <= whole.geometry.clusters;
  return grows ? whole : shapeOf(survey, sectorBytes, geometry.sectors);
}

function shapeOf(survey: NtfsSurvey, sectorBytes: number, sectors: number): NtfsShape {
  const { geometry, recordCount, systemFiles } = survey;
  const { clusterBytes } = geometry;
  const clusters = Math.max(0, Math.floor((sectors * sectorBytes) / clusterBytes));
  // Windows refuses records that are smaller than a sector.
  const recordBytes = Math.max(geometry.recordBytes, sectorBytes);
  const rebuilt = new Map<number, number>();
  if (recordBytes !== geometry.recordBytes) {
    rebuilt.set(SYSTEM_FILE.mft, Math.ceil((recordCount * recordBytes) / clusterBytes));
    rebuilt.set(SYSTEM_FILE.mirror, Math.ceil((MIRRORED_RECORDS * recordBytes) / clusterBytes));
  }
  const bitmapClusters = Math.ceil(bitmapBytes(clusters) / clusterBytes);
  if (bitmapClusters !== storedClusters(systemFiles.get(SYSTEM_FILE.bitmap)?.runs ?? [])) {
    rebuilt.set(SYSTEM_FILE.bitmap, bitmapClusters);
  }
  return { geometry: { ...geometry, sectorBytes, sectors, clusters, recordBytes }, rebuilt };
}

/** Size of the contents of $Bitmap, in bytes. */
export function bitmapBytes(clusters: number): number {
  return Math.ceil(clusters / BITMAP_UNIT_CLUSTERS) * (BITMAP_UNIT_CLUSTERS / 8);
}

/** How many clusters a twin takes on a device; those that rebuilt files leave are counted too. */
export function clustersNeeded({ usedClusters }: NtfsSurvey, { rebuilt }: NtfsShape): number {
  return [...rebuilt.values()].reduce((sum, count) => sum + count, usedClusters);
}

/** Where everything is on the twin. */
export interface NtfsLayout {
  readonly geometry: NtfsGeometry;
  /** The place on the twin of a cluster that is in use on the source. */
  readonly placeOf: (cluster: number) => number;
  /** Runs of the rebuilt system files, by their number. */
  readonly rebuilt: ReadonlyMap<number, readonly NtfsRun[]>;
  readonly used: ClusterSet;
}

/**
 * Gives every piece its place. Where all fits as it is, nothing moves. Else all gaps shrink in the same proportion:
 * the order stays, no run is ever cut, and no distance between two runs of a file grows, so that each list of
 * runs fits where it stood. Nothing else on a volume tells of places.
 *
 * @throws {FileSystemError} `UNSUITABLE` when there is no room
 */
export function layOutNtfs(survey: NtfsSurvey, shape: NtfsShape): NtfsLayout {
  return layOutInPlace(survey, shape) ?? layOutCloser(survey, shape);
}

function layOutInPlace(survey: NtfsSurvey, shape: NtfsShape): NtfsLayout | undefined {
  const { used } = survey;
  const last = used.length - 1;
  if (used.start(last) + used.count(last) > shape.geometry.clusters) return undefined;
  const set = occupied(used, (index) => used.start(index), shape.geometry.clusters);
  return place(survey, shape, (cluster) => cluster, set);
}

function layOutCloser(survey: NtfsSurvey, shape: NtfsShape): NtfsLayout {
  const { used, usedClusters, geometry } = survey;
  const room = shape.geometry.clusters - clustersNeeded(survey, shape);
  if (room < 0)
    throw new FileSystemError('UNSUITABLE', `its files need ${-room} clusters more than there are`);
  const proportion = Math.min(1, room / Math.max(1, geometry.clusters - usedClusters));
  const starts = new Float64Array(used.length);
  let sourceEnd = 0;
  let end = 0;
  for (let index = 0; index < used.length; index++) {
    const start = end + Math.floor((used.start(index) - sourceEnd) * proportion);
    starts[index] = start;
    sourceEnd = used.start(index) + used.count(index);
    end = start + used.count(index);
  }
  const startOf = (index: number): number => starts[index] ?? 0;
  const placeOf = (cluster: number): number => {
    const index = extentWith(used, cluster);
    return startOf(index) + cluster - used.start(index);
  };
  const set = occupied(used, startOf, shape.geometry.clusters);
  const layout = place(survey, shape, placeOf, set);
  if (layout === undefined)
    throw new FileSystemError('UNSUITABLE', 'its system files have no room in one piece');
  return layout;
}

function occupied(used: Extents, startOf: (index: number) => number, clusters: number): ClusterSet {
  const set = emptyClusterSet(clusters);
  for (let index = 0; index < used.length; index++) addClusters(set, startOf(index), used.count(index));
  return set;
}

/** Gives the rebuilt files their places, and takes the old ones away. */
function place(
  { systemFiles }: NtfsSurvey,
  { geometry, rebuilt }: NtfsShape,
  placeOf: (cluster: number) => number,
  used: ClusterSet,
): NtfsLayout | undefined {
  const runs = new Map<number, readonly NtfsRun[]>();
  for (const [number, count] of rebuilt) {
    const cluster = findGap(used, count);
    if (cluster === undefined) return undefined;
    addClusters(used, cluster, count);
    runs.set(number, [{ cluster, count }]);
  }
  for (const number of rebuilt.keys()) {
    for (const { cluster, count } of systemFiles.get(number)?.runs ?? []) {
      if (cluster !== undefined) removeClusters(used, placeOf(cluster), count);
    }
  }
  const firstOf = (number: number): number => {
    const [moved] = runs.get(number) ?? [];
    return moved?.cluster ?? placeOf(systemFiles.get(number)?.runs[0]?.cluster ?? 0);
  };
  const mirrorCluster = firstOf(SYSTEM_FILE.mirror);
  return {
    geometry: { ...geometry, mftCluster: firstOf(SYSTEM_FILE.mft), mirrorCluster },
    placeOf,
    rebuilt: runs,
    used,
  };
}

/** The first gap of that many clusters; a last one behind everything always has what is planned for. */
function findGap({ clusters, bits }: ClusterSet, count: number): number | undefined {
  let free = 0;
  for (let cluster = 0; cluster < clusters; cluster++) {
    free = ((bits[Math.floor(cluster / 8)] ?? 0) & (1 << (cluster % 8))) === 0 ? free + 1 : 0;
    if (free === count) return cluster + 1 - count;
  }
  return undefined;
}

/** The extent that a cluster is in. */
function extentWith(used: Extents, cluster: number): number {
  let low = 0;
  let high = used.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (used.start(middle) <= cluster) low = middle;
    else high = middle - 1;
  }
  return low;
}

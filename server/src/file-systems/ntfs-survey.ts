import type { FileHandle } from 'node:fs/promises';
import { addClusters, type ClusterSet, emptyClusterSet, type Extents, extentsOf } from './cluster-set.ts';
import { FileSystemError } from './errors.ts';
import { ATTRIBUTE, baseOfRecord, type NtfsAttribute, readAttributes, SYSTEM_FILE } from './ntfs-record.ts';
import { decodeRuns, type NtfsRun, storedClusters } from './ntfs-runs.ts';
import { isHibernated } from './ntfs-condition.ts';
import { parseFileName } from './ntfs-state.ts';
import { isContents, type NtfsVolume, readStream, recordsOf } from './ntfs-volume.ts';

/** What Windows makes anew whenever it starts, in the root folder. */
const HIBERNATION_FILE = 'hiberfil.sys';
const FILES_WITHOUT_USE = ['pagefile.sys', 'swapfile.sys', HIBERNATION_FILE];
/** Files of the shadow copy service end in its identifier. */
const SHADOW_COPY_IDENTIFIER = '{3808876b-c176-4e48-b7ae-04046e6cc752}';

/** All that must be known of a volume before its twin can be planned. */
export interface NtfsSurvey extends NtfsVolume {
  /** Clusters of all files, bad clusters left out. */
  readonly used: Extents;
  readonly usedClusters: number;
  /** Those whose contents are carried as they are. */
  readonly copied: Extents;
  readonly copiedClusters: number;
  /** The contents of system files, by their number; `isWhole` when one record tells of all. */
  readonly systemFiles: ReadonlyMap<number, SystemFile>;
  readonly isHibernated: boolean;
  readonly shadowCopyClusters: number;
  readonly badClusters: number;
  /** Clusters that are marked as used and belong to no file. */
  readonly lostClusters: number;
}

export interface SystemFile {
  readonly runs: readonly NtfsRun[];
  readonly dataBytes: number;
  /** Whether one record tells of all runs. */
  readonly isWhole: boolean;
}

/**
 * Reads the whole master file table and checks that no cluster belongs to two files and none to a file that is marked
 * as free.
 *
 * @throws {FileSystemError} `DAMAGED` naming the record
 */
export async function surveyNtfs(device: FileHandle, volume: NtfsVolume): Promise<NtfsSurvey> {
  const { clusters } = volume.geometry;
  const state = newState(clusters);
  for await (const records of recordsOf(device, volume)) {
    for (const { number, record, isInUse } of records) {
      if (!isInUse) continue;
      takeRecord(
        state,
        baseOfRecord(record) ?? number,
        number,
        readAttributes(record, number),
        volume.geometry.clusterBytes,
      );
    }
  }
  const systemFiles = joinParts(state.parts);
  const lostClusters = await compareWithBitmap(device, volume, state, systemFiles);
  const { used, copied, usedClusters, copiedClusters, shadowCopyClusters } = state;
  return {
    ...volume,
    used: extentsOf(used),
    usedClusters,
    copied: extentsOf(copied),
    copiedClusters,
    systemFiles,
    isHibernated: await isHibernated(device, volume, state.hibernationRecord),
    shadowCopyClusters,
    badClusters: storedClusters(state.bad),
    lostClusters,
  };
}

interface State {
  readonly used: ClusterSet;
  readonly copied: ClusterSet;
  readonly bad: NtfsRun[];
  readonly parts: Map<number, Part[]>;
  usedClusters: number;
  copiedClusters: number;
  shadowCopyClusters: number;
  hibernationRecord?: number;
}

interface Part {
  readonly firstCluster: number;
  readonly dataBytes: number;
  readonly runs: readonly NtfsRun[];
}

function newState(clusters: number): State {
  const [used, copied] = [emptyClusterSet(clusters), emptyClusterSet(clusters)];
  return {
    used,
    copied,
    bad: [],
    parts: new Map(),
    usedClusters: 0,
    copiedClusters: 0,
    shadowCopyClusters: 0,
  };
}

/** Contents that are written anew and not copied. */
const WRITTEN_ANEW: ReadonlySet<number> = new Set([
  SYSTEM_FILE.mft,
  SYSTEM_FILE.mirror,
  SYSTEM_FILE.log,
  SYSTEM_FILE.bitmap,
  SYSTEM_FILE.boot,
]);

function takeRecord(
  state: State,
  owner: number,
  number: number,
  attributes: readonly NtfsAttribute[],
  clusterBytes: number,
): void {
  const names = namesOf(attributes);
  if (names.some(({ parent, name }) => parent === SYSTEM_FILE.root && name === HIBERNATION_FILE)) {
    state.hibernationRecord = number;
  }
  const isShadowCopy = names.some(({ name }) => name.endsWith(SHADOW_COPY_IDENTIFIER));
  for (const attribute of attributes) {
    const { stored } = attribute;
    if (stored === undefined) continue;
    const runs = decodeRuns(stored.runs);
    const isSystemFile = WRITTEN_ANEW.has(owner) && isContents(attribute);
    if (isSystemFile) {
      const { firstCluster, dataBytes } = stored;
      state.parts.set(owner, [...(state.parts.get(owner) ?? []), { firstCluster, dataBytes, runs }]);
    }
    if (owner === SYSTEM_FILE.badClusters && attribute.name === '$Bad') {
      state.bad.push(...runs.filter(({ cluster }) => cluster !== undefined));
      continue;
    }
    takeRuns(
      state,
      runs,
      isSystemFile || isWithoutUse(names, attribute) ? 0 : clustersWithContents(attribute, clusterBytes),
      number,
    );
    if (isShadowCopy) state.shadowCopyClusters += storedClusters(runs);
  }
}

function namesOf(attributes: readonly NtfsAttribute[]): { parent: number; name: string }[] {
  return attributes
    .filter(({ type, value }) => type === ATTRIBUTE.fileName && value !== undefined && value.length >= 66)
    .map(({ value = Buffer.alloc(0) }) => parseFileName(value))
    .map(({ parent, name }) => ({ parent, name: name.toLowerCase() }));
}

/** Whether the contents of a file are of no use to the next system that starts. */
export function isWithoutUse(
  names: readonly { readonly parent: number; readonly name: string }[],
  attribute: NtfsAttribute,
): boolean {
  const hasName = names.some(
    ({ parent, name }) => parent === SYSTEM_FILE.root && FILES_WITHOUT_USE.includes(name),
  );
  return hasName && isContents(attribute);
}

/** How many clusters of a part are worth copying: what is behind the initialized bytes reads as zeros. */
function clustersWithContents({ stored }: NtfsAttribute, clusterBytes: number): number {
  if (stored === undefined) return 0;
  const tellsAll = stored.firstCluster === 0 && !stored.isCompressed;
  return tellsAll ? Math.ceil(stored.initializedBytes / clusterBytes) : Number.POSITIVE_INFINITY;
}

function takeRuns(state: State, runs: readonly NtfsRun[], withContents: number, number: number): void {
  let done = 0;
  for (const { cluster, count } of runs) {
    if (cluster !== undefined) {
      if (!addClusters(state.used, cluster, count)) {
        throw new FileSystemError(
          'DAMAGED',
          `clusters of file record ${number} belong to another file too, or are beyond the end; check it with chkdsk`,
        );
      }
      state.usedClusters += count;
      const copied = Math.max(0, Math.min(count, withContents - done));
      addClusters(state.copied, cluster, copied);
      state.copiedClusters += copied;
    }
    done += count;
  }
}

function joinParts(parts: ReadonlyMap<number, readonly Part[]>): Map<number, SystemFile> {
  const files = new Map<number, SystemFile>();
  for (const [number, list] of parts) {
    const sorted = list.toSorted((a, b) => a.firstCluster - b.firstCluster);
    files.set(number, {
      runs: sorted.flatMap(({ runs }) => runs),
      dataBytes: sorted[0]?.dataBytes ?? 0,
      isWhole: sorted.length === 1,
    });
  }
  for (const number of WRITTEN_ANEW) {
    if (!files.has(number)) throw new FileSystemError('DAMAGED', `its system file ${number} has no contents`);
  }
  return files;
}

const PIECE_BYTES = 1024 * 1024;

/** Returns how many clusters are marked as used without a file. */
async function compareWithBitmap(
  device: FileHandle,
  { geometry }: NtfsVolume,
  { used, bad }: State,
  systemFiles: ReadonlyMap<number, SystemFile>,
): Promise<number> {
  const { runs = [] } = systemFiles.get(SYSTEM_FILE.bitmap) ?? {};
  let lost = 0;
  for (let offset = 0; offset < used.bits.length; offset += PIECE_BYTES) {
    const piece = used.bits.subarray(offset, offset + PIECE_BYTES);
    const marks = await readStream(device, geometry, runs, offset, piece.length);
    if (marks.equals(piece)) continue;
    for (const [index, byte] of piece.entries()) {
      const mark = marks[index] ?? 0;
      if (mark === byte) continue;
      const cluster = (offset + index) * 8;
      if ((byte & ~mark) !== 0) {
        const message = `clusters of a file are marked as free, at cluster ${cluster}; check it with chkdsk`;
        throw new FileSystemError('DAMAGED', message);
      }
      const inVolume = Math.min(8, geometry.clusters - cluster);
      lost += countBits(mark & ~byte & (0xff >> (8 - inVolume)));
    }
  }
  return Math.max(0, lost - storedClusters(bad));
}

function countBits(byte: number): number {
  return byte.toString(2).replaceAll('0', '').length;
}

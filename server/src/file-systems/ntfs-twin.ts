import type { FileHandle } from 'node:fs/promises';
import { readAt, writeAt } from './block-device.ts';
import type { Extents } from './cluster-set.ts';
import { copyExtents, type ExtentMove } from './extent-copy.ts';
import type { CopyContext } from './file-system.ts';
import { writeNtfsGeometry } from './ntfs-geometry.ts';
import { bitmapBytes, type NtfsLayout } from './ntfs-layout.ts';
import {
  baseOfRecord,
  closeRecord,
  emptyRecord,
  enlargeRecord,
  type NtfsAttribute,
  readAttributes,
  replaceStored,
  SYSTEM_FILE,
} from './ntfs-record.ts';
import { decodeRuns, encodeRuns, type NtfsRun, storedClusters } from './ntfs-runs.ts';
import type { NtfsSurvey } from './ntfs-survey.ts';
import { isContents, piecesOf, readStream, recordsOf } from './ntfs-volume.ts';

const PIECE_BYTES = 1024 * 1024;
/** An empty log is all ones. */
const EMPTY_LOG = Buffer.alloc(PIECE_BYTES, 0xff);
/** Where the shadow copy service keeps its header, inside of $Boot, and how that begins. */
const SHADOW_HEADER_OFFSET = 7680;
const SHADOW_HEADER_BYTES = 512;
const SHADOW_SIGNATURE = Buffer.from('6b87083876c1484eb7ae04046e6cc752', 'hex');

/** A volume and the twin that is planned for it, with the open devices. */
export interface NtfsWork {
  readonly survey: NtfsSurvey;
  readonly layout: NtfsLayout;
  readonly from: FileHandle;
  readonly to: FileHandle;
}

/**
 * Writes the twin: contents first, what tells of them then, the boot sector last.
 *
 * @param hiddenSectors where the new partition starts, in sectors; undefined when nobody knows
 */
export async function writeNtfsTwin(
  work: NtfsWork,
  hiddenSectors: number | undefined,
  context: CopyContext,
): Promise<void> {
  const { survey, layout, from, to } = work;
  const { clusterBytes } = survey.geometry;
  await copyExtents(from, to, movesOf(survey.copied, layout, clusterBytes), context);
  const mirror = await writeRecords(work, context);
  await writeStream(to, clusterBytes, runsOfTwin(work, SYSTEM_FILE.mirror), 0, mirror);
  for (const piece of allPieces(runsOfTwin(work, SYSTEM_FILE.log), clusterBytes)) {
    await writeAt(to, piece.to, EMPTY_LOG.subarray(0, piece.length));
  }
  await writeBitmap(work);
  await to.sync();
  await writeBoot(work, hiddenSectors);
}

/** Where the pieces of some extents go. */
export function* movesOf(extents: Extents, layout: NtfsLayout, clusterBytes: number): Generator<ExtentMove> {
  for (let index = 0; index < extents.length; index++) {
    const start = extents.start(index);
    yield {
      from: start * clusterBytes,
      to: layout.placeOf(start) * clusterBytes,
      length: extents.count(index) * clusterBytes,
    };
  }
}

/** Where the contents of a system file are on the twin. */
export function runsOfTwin(
  { survey, layout }: Pick<NtfsWork, 'survey' | 'layout'>,
  number: number,
): NtfsRun[] {
  const rebuilt = layout.rebuilt.get(number);
  if (rebuilt !== undefined) return [...rebuilt];
  return movedRuns(survey.systemFiles.get(number)?.runs ?? [], layout);
}

function movedRuns(runs: readonly NtfsRun[], { placeOf }: NtfsLayout): NtfsRun[] {
  return runs.map(({ cluster, count }) => ({
    cluster: cluster === undefined ? undefined : placeOf(cluster),
    count,
  }));
}

function* allPieces(
  runs: readonly NtfsRun[],
  clusterBytes: number,
): Generator<{ to: number; length: number }> {
  for (const { cluster, count } of runs) {
    const end = cluster === undefined ? 0 : (cluster + count) * clusterBytes;
    for (let to = (cluster ?? 0) * clusterBytes; to < end; to += PIECE_BYTES) {
      yield { to, length: Math.min(PIECE_BYTES, end - to) };
    }
  }
}

async function writeStream(
  to: FileHandle,
  clusterBytes: number,
  runs: readonly NtfsRun[],
  offset: number,
  bytes: Buffer,
): Promise<void> {
  for (const { place, done, length } of piecesOf(runs, clusterBytes, offset, bytes.length)) {
    if (place !== undefined) await writeAt(to, place, bytes.subarray(done, done + length));
  }
}

/** Writes the master file table with the new places, and returns what its mirror repeats. */
async function writeRecords(work: NtfsWork, { signal }: CopyContext): Promise<Buffer> {
  const { survey, layout, from, to } = work;
  const { recordBytes, clusterBytes } = layout.geometry;
  const runs = runsOfTwin(work, SYSTEM_FILE.mft);
  const mirror = Buffer.alloc(mirrorBytes(work));
  for await (const records of recordsOf(from, survey)) {
    signal?.throwIfAborted();
    const piece = Buffer.alloc(records.length * recordBytes);
    for (const [index, { number, record, isInUse }] of records.entries()) {
      const target = isInUse ? moveRecord(work, record, number) : emptied(record);
      const enlarged = recordBytes > target.length ? enlargeRecord(target, recordBytes) : target;
      closeRecord(enlarged);
      enlarged.copy(piece, index * recordBytes);
    }
    const offset = (records[0]?.number ?? 0) * recordBytes;
    await writeStream(to, clusterBytes, runs, offset, piece);
    if (offset < mirror.length) piece.copy(mirror, offset);
  }
  return mirror;
}

function mirrorBytes({ survey, layout }: NtfsWork): number {
  const { dataBytes = 0 } = survey.systemFiles.get(SYSTEM_FILE.mirror) ?? {};
  const rebuilt = layout.rebuilt.get(SYSTEM_FILE.mirror);
  return rebuilt === undefined ? dataBytes : storedClusters(rebuilt) * layout.geometry.clusterBytes;
}

function emptied(record: Buffer): Buffer {
  emptyRecord(record);
  return record;
}

/** Tells the new places in a record in use. */
function moveRecord(work: NtfsWork, record: Buffer, number: number): Buffer {
  const owner = baseOfRecord(record) ?? number;
  // From the last one on: a list of runs that changes its length moves what is behind it.
  for (const attribute of readAttributes(record, number).toReversed()) {
    if (attribute.stored === undefined) continue;
    if (!rebuildAttribute(work, record, attribute, owner)) {
      const runs = encodeRuns(movedRuns(withoutBad(attribute, owner), work.layout));
      // Never longer than before: see `layOutNtfs`.
      attribute.stored.runs.fill(0);
      runs.copy(attribute.stored.runs);
    }
  }
  return record;
}

function withoutBad({ name, stored }: NtfsAttribute, owner: number): NtfsRun[] {
  const runs = decodeRuns(stored?.runs ?? Buffer.alloc(1));
  const isBad = owner === SYSTEM_FILE.badClusters && name === '$Bad';
  return isBad ? runs.map(({ count }) => ({ cluster: undefined, count })) : runs;
}

/** What depends on the size of the volume or of its records. Returns false for all other attributes. */
function rebuildAttribute(
  { survey, layout }: NtfsWork,
  record: Buffer,
  attribute: NtfsAttribute,
  owner: number,
): boolean {
  const { clusters, clusterBytes, recordBytes } = layout.geometry;
  if (owner === SYSTEM_FILE.badClusters && attribute.name === '$Bad') {
    if (clusters === survey.geometry.clusters) return false;
    const size = clusters * clusterBytes;
    const initializedBytes = attribute.stored?.initializedBytes === 0 ? 0 : size;
    const runs = encodeRuns([{ cluster: undefined, count: clusters }]);
    replaceStored(record, attribute, {
      clusters,
      allocatedBytes: size,
      dataBytes: size,
      initializedBytes,
      runs,
    });
    return true;
  }
  if (!isContents(attribute)) return false;
  const isResized = owner === SYSTEM_FILE.bitmap && clusters !== survey.geometry.clusters;
  const runs = layout.rebuilt.get(owner) ?? (isResized ? runsOfTwin({ survey, layout }, owner) : undefined);
  if (runs === undefined) return false;
  const count = storedClusters(runs);
  const dataBytes = {
    [SYSTEM_FILE.mft]: survey.recordCount * recordBytes,
    [SYSTEM_FILE.bitmap]: bitmapBytes(clusters),
  }[owner];
  const allocatedBytes = count * clusterBytes;
  replaceStored(record, attribute, {
    clusters: count,
    allocatedBytes,
    dataBytes: dataBytes ?? allocatedBytes,
    initializedBytes: dataBytes ?? allocatedBytes,
    runs: encodeRuns(runs),
  });
  return true;
}

/** Bits behind the end of the volume are set, so that nobody takes them. */
export function bitmapOfTwin({ survey, layout }: Pick<NtfsWork, 'survey' | 'layout'>): Buffer {
  const { clusters } = layout.geometry;
  const before = survey.systemFiles.get(SYSTEM_FILE.bitmap)?.dataBytes ?? 0;
  const bytes = clusters === survey.geometry.clusters ? before : bitmapBytes(clusters);
  const bitmap = Buffer.alloc(bytes, 0xff);
  layout.used.bits.copy(bitmap);
  const last = layout.used.bits.length - 1;
  const inLast = clusters - last * 8;
  bitmap.writeUInt8(bitmap.readUInt8(last) | ((0xff << inLast) & 0xff), last);
  return bitmap;
}

async function writeBitmap(work: NtfsWork): Promise<void> {
  const { clusterBytes } = work.layout.geometry;
  await writeStream(work.to, clusterBytes, runsOfTwin(work, SYSTEM_FILE.bitmap), 0, bitmapOfTwin(work));
}

/** The boot code stays; shadow copies are forgotten, because they tell of places and of free space. */
async function writeBoot(work: NtfsWork, hiddenSectors: number | undefined): Promise<void> {
  const { survey, layout, from, to } = work;
  const { clusterBytes, sectorBytes, sectors } = layout.geometry;
  const { runs = [], dataBytes = 0 } = survey.systemFiles.get(SYSTEM_FILE.boot) ?? {};
  const boot = await readStream(from, survey.geometry, runs, 0, dataBytes);
  writeNtfsGeometry(boot, layout.geometry, hiddenSectors);
  const header = boot.subarray(SHADOW_HEADER_OFFSET, SHADOW_HEADER_OFFSET + SHADOW_HEADER_BYTES);
  if (header.subarray(0, SHADOW_SIGNATURE.length).equals(SHADOW_SIGNATURE)) header.fill(0);
  await writeAt(to, sectors * sectorBytes, boot.subarray(0, sectorBytes));
  await writeStream(to, clusterBytes, runsOfTwin(work, SYSTEM_FILE.boot), 0, boot);
}

/** Reads the repeated boot sector, for a comparison. */
export async function readLastSector(device: FileHandle, { geometry }: NtfsLayout): Promise<Buffer> {
  return readAt(device, geometry.sectors * geometry.sectorBytes, geometry.sectorBytes);
}

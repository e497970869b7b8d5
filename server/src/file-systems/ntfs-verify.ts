import type { FileHandle } from 'node:fs/promises';
import { collectDifferences, type Difference } from '../compare/difference.ts';
import { fill, sizeOfDevice, withDevice } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import type { ExtentMove } from './extent-copy.ts';
import type { CopyContext } from './file-system.ts';
import type { NtfsLayout } from './ntfs-layout.ts';
import { ATTRIBUTE, baseOfRecord, type NtfsAttribute, readAttributes, SYSTEM_FILE } from './ntfs-record.ts';
import { decodeRuns, type NtfsRun } from './ntfs-runs.ts';
import { parseFileName } from './ntfs-state.ts';
import { type NtfsSurvey, surveyNtfs } from './ntfs-survey.ts';
import { bitmapOfTwin, movesOf, readLastSector, runsOfTwin } from './ntfs-twin.ts';
import {
  isContents,
  type NtfsVolume,
  type NumberedRecord,
  readNtfsVolume,
  readRecord,
  readStream,
  recordsOf,
} from './ntfs-volume.ts';
import { countBytes, forgetCached } from './verify-files.ts';

/** A volume with the layout that its twin must have. */
export interface NtfsExpectation {
  readonly survey: NtfsSurvey;
  readonly layout: NtfsLayout;
}

interface Sides extends NtfsExpectation {
  readonly source: FileHandle;
  readonly twin: FileHandle;
  readonly volume: NtfsVolume;
}

const PIECE_BYTES = 1024 * 1024;

/**
 * Compares a twin with its source: the twin's own structure must be sound, every file record must be the same but for
 * the places in it, and the contents at the places that the twin tells must be the same.
 */
export async function verifyNtfs(
  expectation: NtfsExpectation,
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  await forgetCached(destination, context.signal);
  const size = await sizeOfDevice(destination);
  return withDevice(source, 'read', (from) =>
    withDevice(destination, 'read', async (to) => {
      try {
        const volume = await readNtfsVolume(to, size);
        const sides = { ...expectation, source: from, twin: to, volume };
        const differences = await collectDifferences(compareAll(sides, context));
        await surveyNtfs(to, volume);
        return differences;
      } catch (error) {
        if (!(error instanceof FileSystemError) || error.code !== 'DAMAGED') throw error;
        return [{ path: '', property: 'structure', left: 'sound', right: error.message }];
      }
    }),
  );
}

async function* compareAll(sides: Sides, context: CopyContext): AsyncGenerator<Difference> {
  yield* compareGeometry(sides);
  yield* compareRecords(sides, context);
  yield* compareContents(sides, context);
  yield* compareSystemFiles(sides);
}

const COMPARED = ['sectorBytes', 'clusterBytes', 'sectors', 'clusters', 'recordBytes', 'indexBytes'] as const;

function* compareGeometry({ layout, volume }: Sides): Generator<Difference> {
  for (const name of COMPARED) {
    const [left, right] = [String(layout.geometry[name]), String(volume.geometry[name])];
    if (left !== right) yield { path: '', property: name, left, right };
  }
}

async function* compareRecords(sides: Sides, { signal }: CopyContext): AsyncGenerator<Difference> {
  const { survey, source, twin, volume } = sides;
  const others = oneByOne(recordsOf(twin, volume));
  for await (const record of oneByOne(recordsOf(source, survey))) {
    if (record.number % 1024 === 0) signal?.throwIfAborted();
    const other = (await others.next()).value as NumberedRecord | undefined;
    if (!record.isInUse && other?.isInUse !== true) continue;
    const found = [...compareRecord(sides, record, other)];
    if (found.length === 0) continue;
    const path = await pathOf(
      record.isInUse ? source : twin,
      record.isInUse ? survey : volume,
      record.number,
    );
    yield* found.map((difference) => ({ path, ...difference }));
  }
}

async function* oneByOne(pieces: AsyncGenerator<NumberedRecord[]>): AsyncGenerator<NumberedRecord> {
  for await (const records of pieces) yield* records;
}

type Found = Omit<Difference, 'path'>;

function* compareRecord(
  sides: Sides,
  left: NumberedRecord,
  right: NumberedRecord | undefined,
): Generator<Found> {
  if (right === undefined || left.isInUse !== right.isInUse) {
    yield { property: 'existence', left: presence(left), right: presence(right) };
    return;
  }
  if (!headerOf(left.record).equals(headerOf(right.record))) {
    yield { property: 'file record', left: 'as it is', right: 'is another' };
  }
  const owner = baseOfRecord(left.record) ?? left.number;
  const [ours, theirs] = [left, right].map(({ record, number }) => byKey(readAttributes(record, number)));
  for (const key of new Set([...(ours?.keys() ?? []), ...(theirs?.keys() ?? [])])) {
    const [a, b] = [ours?.get(key), theirs?.get(key)];
    const property = nameOfAttribute(a ?? b);
    if (a === undefined || b === undefined) {
      yield {
        property,
        left: a === undefined ? 'missing' : 'exists',
        right: b === undefined ? 'missing' : 'exists',
      };
    } else if (!isSame(sides, owner, a, b)) {
      yield { property, left: 'as it is', right: 'is another' };
    }
  }
}

function presence(record: NumberedRecord | undefined): string {
  return record?.isInUse === true ? 'exists' : 'missing';
}

/** Uses, links, flags and base; not sizes, nor what protects the record. */
function headerOf(record: Buffer): Buffer {
  return Buffer.concat([record.subarray(8, 20), record.subarray(22, 24), record.subarray(32, 42)]);
}

/** The instance tells attributes of one type and name apart, such as two hard links. */
function byKey(attributes: readonly NtfsAttribute[]): Map<string, NtfsAttribute> {
  return new Map(
    attributes.map((attribute) => [
      `${attribute.type} ${attribute.bytes.readUInt16LE(14)} ${attribute.name}`,
      attribute,
    ]),
  );
}

const NAMES: Readonly<Record<number, string>> = {
  0x10: 'times, attributes and security identifier',
  0x20: 'list of attributes',
  0x30: 'name',
  0x40: 'object identifier',
  0x50: 'security descriptor',
  0x60: 'label',
  0x70: 'volume information',
  0x80: 'content',
  0x90: 'index',
  0xa0: 'index',
  0xb0: 'bitmap',
  0xc0: 'reparse point',
  0xd0: 'extended attributes',
  0xe0: 'extended attributes',
  0x100: 'logged stream',
};

function nameOfAttribute(attribute: NtfsAttribute | undefined): string {
  const { type = 0, name = '' } = attribute ?? {};
  if (type === ATTRIBUTE.data && name !== '') return `stream ${name}`;
  return NAMES[type] ?? `attribute ${type.toString(16)}`;
}

/** System files whose size goes with the size of the volume or of its records. */
const RESIZED: ReadonlySet<number> = new Set([
  SYSTEM_FILE.mft,
  SYSTEM_FILE.mirror,
  SYSTEM_FILE.bitmap,
  SYSTEM_FILE.badClusters,
]);

function isSame({ layout, survey }: Sides, owner: number, a: NtfsAttribute, b: NtfsAttribute): boolean {
  if (a.stored === undefined || b.stored === undefined) return a.bytes.equals(b.bytes);
  if (RESIZED.has(owner) && (a.name === '$Bad' || isContents(a))) {
    const runs =
      a.name === '$Bad' ? withoutPlaces(decodeRuns(b.stored.runs)) : runsOfTwin({ survey, layout }, owner);
    return sameRuns(runs, decodeRuns(b.stored.runs));
  }
  const head = a.bytes.length - a.stored.runs.length;
  const moved = decodeRuns(a.stored.runs).map(({ cluster, count }) => ({
    cluster: cluster === undefined ? undefined : layout.placeOf(cluster),
    count,
  }));
  return (
    a.bytes.subarray(0, head).equals(b.bytes.subarray(0, head)) && sameRuns(moved, decodeRuns(b.stored.runs))
  );
}

function withoutPlaces(runs: readonly NtfsRun[]): NtfsRun[] {
  return runs.map(({ count }) => ({ cluster: undefined, count }));
}

function sameRuns(left: readonly NtfsRun[], right: readonly NtfsRun[]): boolean {
  return (
    left.length === right.length &&
    left.every(
      ({ cluster, count }, index) => cluster === right[index]?.cluster && count === right[index]?.count,
    )
  );
}

async function* compareContents(sides: Sides, context: CopyContext): AsyncGenerator<Difference> {
  const { survey, layout, source, twin } = sides;
  const { clusterBytes } = survey.geometry;
  const report = countBytes(context);
  for (const move of movesOf(survey.copied, layout, clusterBytes)) {
    for (let done = 0; done < move.length; done += PIECE_BYTES) {
      context.signal?.throwIfAborted();
      const length = Math.min(PIECE_BYTES, move.length - done);
      const [a, b] = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)];
      await Promise.all([fill(source, move.from + done, a), fill(twin, move.to + done, b)]);
      report(length);
      if (!a.equals(b)) yield* namesOfDifferences(sides, { ...move, from: move.from + done }, a, b);
    }
  }
}

/** Says to which files the clusters belong that differ in a piece. */
async function* namesOfDifferences(
  { survey, source }: Sides,
  { from }: ExtentMove,
  a: Buffer,
  b: Buffer,
): AsyncGenerator<Difference> {
  const { clusterBytes } = survey.geometry;
  const clusters = new Set<number>();
  for (let offset = 0; offset < a.length; offset += clusterBytes) {
    const end = offset + clusterBytes;
    if (!a.subarray(offset, end).equals(b.subarray(offset, end)))
      clusters.add((from + offset) / clusterBytes);
  }
  for await (const { number, record, isInUse } of oneByOne(recordsOf(source, survey))) {
    if (!isInUse) continue;
    for (const attribute of readAttributes(record, number)) {
      const runs = attribute.stored === undefined ? [] : decodeRuns(attribute.stored.runs);
      const hit = [...clusters].find((cluster) => runs.some((run) => holds(run, cluster)));
      if (hit === undefined) continue;
      const path = await pathOf(source, survey, baseOfRecord(record) ?? number);
      yield { path, property: nameOfAttribute(attribute), left: `cluster ${hit}`, right: 'is another' };
    }
  }
}

function holds({ cluster, count }: NtfsRun, wanted: number): boolean {
  return cluster !== undefined && wanted >= cluster && wanted < cluster + count;
}

async function* compareSystemFiles(sides: Sides): AsyncGenerator<Difference> {
  const { volume, layout, twin, survey } = sides;
  const { recordBytes, sectorBytes } = volume.geometry;
  const bitmap = bitmapOfTwin(sides);
  const read = (number: number, length: number): Promise<Buffer> =>
    readStream(twin, volume.geometry, runsOfTwin(sides, number), 0, length);
  if (!bitmap.equals(await read(SYSTEM_FILE.bitmap, bitmap.length))) yield another('$Bitmap');
  const mirrored = Math.min(4, volume.recordCount) * recordBytes;
  if (!(await read(SYSTEM_FILE.mft, mirrored)).equals(await read(SYSTEM_FILE.mirror, mirrored)))
    yield another('$MFTMirr');
  const bootBytes = survey.systemFiles.get(SYSTEM_FILE.boot)?.dataBytes ?? 0;
  const boot = await read(SYSTEM_FILE.boot, bootBytes);
  const before = await readStream(
    sides.source,
    survey.geometry,
    survey.systemFiles.get(SYSTEM_FILE.boot)?.runs ?? [],
    0,
    bootBytes,
  );
  if (!bootCode(boot).equals(bootCode(before))) yield another('$Boot');
  if (!boot.subarray(0, sectorBytes).equals(await readLastSector(twin, layout)))
    yield another('the last sector');
}

/** Serial number, boot code and what else stands in $Boot besides the numbers of the volume. */
function bootCode(boot: Buffer): Buffer {
  return Buffer.concat([boot.subarray(72, 7680), boot.subarray(7680 + 512)]);
}

function another(path: string): Difference {
  return { path, property: 'content', left: 'as it must be', right: 'is another' };
}

const MOST_FOLDERS = 1000;

/** The path of a file, for people. */
async function pathOf(device: FileHandle, volume: NtfsVolume, number: number): Promise<string> {
  const names: string[] = [];
  let next = number;
  while (next !== SYSTEM_FILE.root && names.length < MOST_FOLDERS) {
    const record = await readRecord(device, volume, next);
    const base = record && baseOfRecord(record);
    if (base !== undefined) {
      next = base;
      continue;
    }
    const found =
      record === undefined
        ? []
        : readAttributes(record, next).filter(({ type }) => type === ATTRIBUTE.fileName);
    const parsed = found.flatMap(({ value }) => (value === undefined ? [] : [parseFileName(value)]));
    const best = parsed.find(({ isShortOnly }) => !isShortOnly) ?? parsed[0];
    if (best === undefined) return [`file record ${next}`, ...names].join('/');
    names.unshift(best.name);
    next = best.parent;
  }
  return names.join('/') || '.';
}

import type { FileHandle } from 'node:fs/promises';
import { fill, readAt } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import { BOOT_SECTOR_BYTES, type NtfsGeometry, parseNtfsBootSector } from './ntfs-geometry.ts';
import {
  ATTRIBUTE,
  type NtfsAttribute,
  openRecord,
  readAttributes,
  recordNumber,
  SYSTEM_FILE,
} from './ntfs-record.ts';
import { decodeRuns, type NtfsRun } from './ntfs-runs.ts';

/** An NTFS volume whose master file table can be read. */
export interface NtfsVolume {
  readonly geometry: NtfsGeometry;
  /** Where the master file table is. */
  readonly mftRuns: readonly NtfsRun[];
  /** Records in the table, used or not. */
  readonly recordCount: number;
}

const PIECE_BYTES = 1024 * 1024;
/** Of an attribute list, without a name. */
const LIST_ENTRY_BYTES = 26;

/** Throws {FileSystemError} `DAMAGED` when the volume has no sound master file table. */
export async function readNtfsVolume(device: FileHandle, deviceBytes: number): Promise<NtfsVolume> {
  const geometry = parseNtfsBootSector(await readAt(device, 0, BOOT_SECTOR_BYTES), deviceBytes);
  const { mftCluster, clusterBytes, recordBytes } = geometry;
  const record = await readAt(device, mftCluster * clusterBytes, recordBytes);
  const attributes = openRecord(record, SYSTEM_FILE.mft) ? readAttributes(record, SYSTEM_FILE.mft) : [];
  const data = attributes.find(isContents)?.stored;
  if (data === undefined)
    throw new FileSystemError('DAMAGED', 'its master file table does not describe itself');
  const first = {
    geometry,
    mftRuns: decodeRuns(data.runs),
    recordCount: Math.floor(data.initializedBytes / recordBytes),
  };
  const list = attributes.find(({ type }) => type === ATTRIBUTE.list);
  return list === undefined ? first : addPartsOfTable(device, first, list);
}

/** The unnamed stream of a file: its contents. */
export function isContents({ type, name }: NtfsAttribute): boolean {
  return type === ATTRIBUTE.data && name === '';
}

/** A table in very many pieces tells of some of them in records of its own, which are in the pieces before. */
async function addPartsOfTable(
  device: FileHandle,
  volume: NtfsVolume,
  list: NtfsAttribute,
): Promise<NtfsVolume> {
  const mftRuns = [...volume.mftRuns];
  for (const { number } of await readAttributeList(device, volume, list)) {
    if (number === SYSTEM_FILE.mft) continue;
    const record = await readRecord(device, { ...volume, mftRuns }, number);
    const part = record && readAttributes(record, number).find(isContents)?.stored;
    if (part === undefined)
      throw new FileSystemError('DAMAGED', 'a part of its master file table is missing');
    mftRuns.push(...decodeRuns(part.runs));
  }
  return { ...volume, mftRuns };
}

/** In which records the parts of a file's contents are, in their order, if it has a list of its attributes. */
export async function readAttributeList(
  device: FileHandle,
  { geometry }: NtfsVolume,
  { value, stored }: NtfsAttribute,
): Promise<{ number: number }[]> {
  const parts: { number: number }[] = [];
  const bytes =
    value ??
    (await readStream(
      device,
      geometry,
      decodeRuns(stored?.runs ?? Buffer.alloc(1)),
      0,
      stored?.dataBytes ?? 0,
    ));
  for (let offset = 0; offset + LIST_ENTRY_BYTES <= bytes.length; ) {
    const isPart = bytes.readUInt32LE(offset) === ATTRIBUTE.data && bytes.readUInt8(offset + 6) === 0;
    if (isPart) parts.push({ number: recordNumber(bytes, offset + 16) });
    offset += Math.max(LIST_ENTRY_BYTES, bytes.readUInt16LE(offset + 4));
  }
  return parts;
}

/** One record, opened; undefined when it is not in use. */
export async function readRecord(
  device: FileHandle,
  { geometry, mftRuns, recordCount }: NtfsVolume,
  number: number,
): Promise<Buffer | undefined> {
  if (number >= recordCount) return undefined;
  const { recordBytes } = geometry;
  const record = await readStream(device, geometry, mftRuns, number * recordBytes, recordBytes);
  return openRecord(record, number) ? record : undefined;
}

/** A record of the master file table as it is read in order. */
export interface NumberedRecord {
  readonly number: number;
  /** Opened when it is in use. */
  readonly record: Buffer;
  readonly isInUse: boolean;
}

/** All records in order, in pieces; the bytes of a piece are good until the next one is asked for. */
export async function* recordsOf(
  device: FileHandle,
  { geometry, mftRuns, recordCount }: NtfsVolume,
): AsyncGenerator<NumberedRecord[]> {
  const { recordBytes } = geometry;
  const perPiece = PIECE_BYTES / recordBytes;
  for (let first = 0; first < recordCount; first += perPiece) {
    const count = Math.min(perPiece, recordCount - first);
    const bytes = await readStream(device, geometry, mftRuns, first * recordBytes, count * recordBytes);
    yield Array.from({ length: count }, (_, index) => {
      const record = bytes.subarray(index * recordBytes, (index + 1) * recordBytes);
      return { number: first + index, record, isInUse: openRecord(record, first + index) };
    });
  }
}

/** Reads bytes of what is stored in runs; holes read as zeros. Throws {FileSystemError} `DAMAGED` beyond the end. */
export async function readStream(
  device: FileHandle,
  { clusterBytes }: NtfsGeometry,
  runs: readonly NtfsRun[],
  offset: number,
  length: number,
): Promise<Buffer> {
  const target = Buffer.alloc(length);
  for (const piece of piecesOf(runs, clusterBytes, offset, length)) {
    if (piece.place !== undefined) {
      await fill(device, piece.place, target.subarray(piece.done, piece.done + piece.length));
    }
  }
  return target;
}

interface StreamPiece {
  /** Bytes of the stream before this piece, from the offset asked for. */
  readonly done: number;
  readonly length: number;
  /** On the volume, in bytes; undefined for a hole. */
  readonly place: number | undefined;
}

/** Where some bytes of a stream are. Throws {FileSystemError} `DAMAGED` when the runs end before. */
export function piecesOf(
  runs: readonly NtfsRun[],
  clusterBytes: number,
  offset: number,
  length: number,
): StreamPiece[] {
  const pieces: StreamPiece[] = [];
  let runStart = 0;
  let done = 0;
  for (const { cluster, count } of runs) {
    const runEnd = runStart + count * clusterBytes;
    const from = offset + done;
    if (done < length && from < runEnd) {
      const inRun = from - runStart;
      const size = Math.min(length - done, runEnd - from);
      pieces.push({
        done,
        length: size,
        place: cluster === undefined ? undefined : cluster * clusterBytes + inRun,
      });
      done += size;
    }
    runStart = runEnd;
  }
  if (done < length) throw new FileSystemError('DAMAGED', 'the runs of a file end before its contents');
  return pieces;
}

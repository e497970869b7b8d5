import type { FileHandle } from 'node:fs/promises';
import { FileSystemError } from './errors.ts';
import { ATTRIBUTE, type NtfsAttribute, readAttributes, SYSTEM_FILE } from './ntfs-record.ts';
import { decodeRuns } from './ntfs-runs.ts';
import { isLogClean, parseVolumeInformation, RESTART_PAGES_BYTES, saysHibernated } from './ntfs-state.ts';
import { isContents, type NtfsVolume, readAttributeList, readRecord, readStream } from './ntfs-volume.ts';

/** How the system that used a volume last left it. */
export interface NtfsCondition {
  /** "3.1" since Windows XP. */
  readonly version: string;
  /** Windows wants to check it. */
  readonly isDirty: boolean;
  readonly isLogClean: boolean;
}

/** Throws {FileSystemError} `DAMAGED` when the volume does not tell. */
export async function readCondition(device: FileHandle, volume: NtfsVolume): Promise<NtfsCondition> {
  const record = await readRecord(device, volume, SYSTEM_FILE.volume);
  const attributes = record === undefined ? [] : readAttributes(record, SYSTEM_FILE.volume);
  const information = attributes.find(({ type }) => type === ATTRIBUTE.volumeInformation)?.value;
  if (information === undefined) throw new FileSystemError('DAMAGED', 'its version is not told');
  const log = await readBeginning(device, volume, SYSTEM_FILE.log, RESTART_PAGES_BYTES);
  return { ...parseVolumeInformation(information), isLogClean: isLogClean(log) };
}

/**
 * Whether a system is asleep in a file.
 *
 * @param number of the record of hiberfil.sys, if there is one
 */
export async function isHibernated(
  device: FileHandle,
  volume: NtfsVolume,
  number: number | undefined,
): Promise<boolean> {
  if (number === undefined) return false;
  return saysHibernated(await readBeginning(device, volume, number, volume.geometry.clusterBytes));
}

/** The first bytes of a file's contents, as far as they were ever written. */
async function readBeginning(
  device: FileHandle,
  volume: NtfsVolume,
  number: number,
  most: number,
): Promise<Buffer> {
  const contents = await findContents(device, volume, number);
  if (contents?.stored === undefined) return contents?.value ?? Buffer.alloc(0);
  const { initializedBytes, runs } = contents.stored;
  return readStream(device, volume.geometry, decodeRuns(runs), 0, Math.min(initializedBytes, most));
}

/** The first part of a file's contents, wherever it is. */
async function findContents(
  device: FileHandle,
  volume: NtfsVolume,
  number: number,
): Promise<NtfsAttribute | undefined> {
  const record = await readRecord(device, volume, number);
  const attributes = record === undefined ? [] : readAttributes(record, number);
  const own = attributes.find(isContents);
  const list = attributes.find(({ type }) => type === ATTRIBUTE.list);
  if (own !== undefined || list === undefined) return own;
  const [first] = await readAttributeList(device, volume, list);
  const other = first && (await readRecord(device, volume, first.number));
  return other && readAttributes(other, first.number).find(isContents);
}

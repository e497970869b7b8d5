import { readFile, stat } from 'node:fs/promises';
import { messageOf } from '@diskferry/system/errors';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import {
  findOptionBlocks,
  makeOptionBlock,
  OPTION_BLOCK_BYTES,
  readOptionBlock,
} from '@diskferry/system/medium/option-block';
import {
  findSettingsAreas,
  makeSettingsArea,
  readSettingsArea,
  SETTINGS_AREA_BYTES,
} from '@diskferry/system/medium/settings-area';
import { formatBytes } from '@diskferry/system/units';
import { RefusedError } from '../refused-error.ts';

/** The primary volume descriptor of ISO 9660 (ECMA-119, 8.4): its place, its first bytes and its volume identifier. */
const DESCRIPTOR_AT = 32_768;
const DESCRIPTOR_BEGIN = Buffer.from('\x01CD001\x01', 'latin1');
const VOLUME_ID_AT = DESCRIPTOR_AT + 40;
const VOLUME_ID_BYTES = 32;
const VOLUME_ID = 'DISKFERRY';
/** Ours have some 60 MB; a file of this size is not read to find out that it is another one. */
const MOST_BYTES = 1024 * 1024 * 1024;
/** The time of the settings: a constant, so that equal settings make equal media. */
const EPOCH = 0;

/** A boot medium, in memory. */
export interface Medium {
  readonly bytes: Buffer;
  readonly settingsAt: number;
  readonly optionsAt: number;
}

/** What was put into a medium after it was built, or at the build. */
export interface MediumContent {
  /** Without them, its computers wait for somebody who knows their pairing code. */
  readonly settings: MediumSettings | undefined;
  /** Words for the kernel's command line. */
  readonly options: readonly string[];
}

/**
 * Reads an ISO file of ours.
 *
 * @throws {RefusedError} `NOT_A_MEDIUM` for any other file, also a diskferry ISO that is cut off or too old to be changed
 */
export async function readMedium(path: string): Promise<Medium> {
  const bytes = await readWhole(path);
  const begin = bytes.subarray(DESCRIPTOR_AT, DESCRIPTOR_AT + DESCRIPTOR_BEGIN.length);
  const label = bytes.toString('latin1', VOLUME_ID_AT, VOLUME_ID_AT + VOLUME_ID_BYTES).trim();
  if (!begin.equals(DESCRIPTOR_BEGIN) || label !== VOLUME_ID) {
    throw new RefusedError('NOT_A_MEDIUM', `${path} is not a diskferry ISO; "npm run build" makes one`);
  }
  const [settingsAt, ...otherSettings] = findSettingsAreas(bytes);
  const [optionsAt, ...otherOptions] = findOptionBlocks(bytes);
  const surplus = otherSettings.length + otherOptions.length;
  if (settingsAt === undefined || optionsAt === undefined || surplus > 0) {
    throw new RefusedError(
      'NOT_A_MEDIUM',
      `${path} is a diskferry ISO, but has no room for settings where it should: it is damaged, cut off or of an older build`,
    );
  }
  return { bytes, settingsAt, optionsAt };
}

async function readWhole(path: string): Promise<Buffer> {
  try {
    const facts = await stat(path);
    if (facts.isFile() && facts.size <= MOST_BYTES) return await readFile(path);
    const what = facts.isFile() ? `a file of ${formatBytes(facts.size)}` : 'no ordinary file';
    throw new Error(`it is ${what}`);
  } catch (error) {
    throw new RefusedError('NOT_A_MEDIUM', `${path} cannot be read as a diskferry ISO: ${messageOf(error)}`);
  }
}

/** What is in a medium now. */
export function contentOf({ bytes, settingsAt, optionsAt }: Medium): MediumContent {
  return {
    settings: readSettingsArea(bytes.subarray(settingsAt, settingsAt + SETTINGS_AREA_BYTES)),
    options: readOptionBlock(bytes.subarray(optionsAt, optionsAt + OPTION_BLOCK_BYTES)),
  };
}

/**
 * Puts settings and options into a medium in memory, in place of what was there.
 *
 * @throws {UsageError} for options that a medium cannot hold
 */
export function fillMedium(medium: Medium, { settings, options }: MediumContent): void {
  const block = makeOptionBlock(options);
  makeSettingsArea(settings, EPOCH).copy(medium.bytes, medium.settingsAt);
  block.copy(medium.bytes, medium.optionsAt);
}

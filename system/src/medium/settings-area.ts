import { makeCpio } from './cpio.ts';
import { readCpio } from './read-cpio.ts';
import type { MediumSettings } from './medium-settings.ts';
import { SETTINGS_FILES, settingsEntries } from './settings-archive.ts';

/**
 * The file of a boot medium that keeps room for settings, so that a finished ISO can be given others. The boot loader
 * hands it to the kernel behind the initrd: an archive whose first entry is a mark by which it is found, then zeros,
 * which the kernel skips.
 */
export const SETTINGS_AREA_BYTES = 64 * 1024;

const MARK_PATH = 'settings-area';
const MARK_DATA = 'diskferry settings area 1\n';
/** What a cpio header of the "newc" format takes in front of the name. */
const HEADER_BYTES = 110;
/** Files begin at a sector. */
const SECTOR_BYTES = 512;
const MAGIC = Buffer.from('070701');
const MARK = Buffer.from(`${MARK_PATH}\0`);

/**
 * The bytes of the area, with settings or without.
 *
 * @param epoch the time of all entries, in seconds since 1970
 * @throws {RangeError} when the settings do not fit, which takes a certificate of some 60 KB
 */
export function makeSettingsArea(settings: MediumSettings | undefined, epoch: number): Buffer {
  const mark = { path: MARK_PATH, mode: 0o100644, data: Buffer.from(MARK_DATA) };
  const archive = makeCpio([mark, ...(settings === undefined ? [] : settingsEntries(settings))], epoch);
  if (archive.length > SETTINGS_AREA_BYTES) {
    throw new RangeError(
      `the settings take ${archive.length} bytes; a medium has room for ${SETTINGS_AREA_BYTES}`,
    );
  }
  return Buffer.concat([archive, Buffer.alloc(SETTINGS_AREA_BYTES - archive.length)]);
}

/** Where settings areas begin in the bytes of a medium; a medium of ours has exactly one. */
export function findSettingsAreas(medium: Buffer): number[] {
  const found: number[] = [];
  for (let at = medium.indexOf(MARK); at >= 0; at = medium.indexOf(MARK, at + 1)) {
    const begin = at - HEADER_BYTES;
    if (begin < 0 || begin % SECTOR_BYTES !== 0 || begin + SETTINGS_AREA_BYTES > medium.length) continue;
    if (!medium.subarray(begin, begin + MAGIC.length).equals(MAGIC)) continue;
    if (isMarked(medium.subarray(begin, begin + SETTINGS_AREA_BYTES))) found.push(begin);
  }
  return found;
}

/** The settings in an area; undefined if there are none. */
export function readSettingsArea(area: Buffer): MediumSettings | undefined {
  const files = readCpio(area);
  const text = (path: string): string | undefined => files.get(path)?.toString('utf8');
  const server = text(SETTINGS_FILES.server)?.trim();
  const authority = text(SETTINGS_FILES.authority);
  const enrolment = text(SETTINGS_FILES.enrolment)?.trim();
  if (server === undefined || authority === undefined || enrolment === undefined) return undefined;
  return { server, authority, enrolment };
}

function isMarked(area: Buffer): boolean {
  return readCpio(area).get(MARK_PATH)?.equals(Buffer.from(MARK_DATA)) ?? false;
}

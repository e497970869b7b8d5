/** A bit of $VOLUME_INFORMATION: Windows found or expects damage, and checks the volume when it starts. */
const DIRTY = 0x0001;
/** What the first bytes of hiberfil.sys say while a system is asleep in it; "wake" and zeros say that it is not. */
const ASLEEP = ['hibr', 'HIBR'];
const RESTART_SIGNATURE = 'RSTR';
const NO_CLIENT = 0xffff;
const VOLUME_WAS_CLEAN = 0x0002;
const LEAST_PAGE_BYTES = 512;
/** As large as pages of the log are. */
export const RESTART_PAGES_BYTES = 2 * 64 * 1024;

export interface VolumeInformation {
  readonly version: string;
  readonly isDirty: boolean;
}

/** Reads the attribute $VOLUME_INFORMATION of $Volume. */
export function parseVolumeInformation(value: Buffer): VolumeInformation {
  return {
    version: `${value.readUInt8(8)}.${value.readUInt8(9)}`,
    isDirty: (value.readUInt16LE(10) & DIRTY) !== 0,
  };
}

/** Whether a system sleeps in the file that begins so. */
export function saysHibernated(beginning: Buffer): boolean {
  return ASLEEP.includes(beginning.toString('latin1', 0, 4));
}

/**
 * Whether the log says that everything in it was carried out: it is empty, or the newer of its two restart pages says
 * that the volume was left clean or that nobody used it.
 *
 * @param beginning of $LogFile, at least two pages of it
 */
export function isLogClean(beginning: Buffer): boolean {
  if (beginning.every((byte) => byte === 0xff)) return true;
  const pageBytes = pageSizeOf(beginning);
  if (pageBytes === undefined) return false;
  const areas = [0, pageBytes]
    .map((offset) => restartArea(beginning.subarray(offset)))
    .filter((area) => area !== undefined);
  const newest = areas.toSorted((a, b) => (a.number < b.number ? 1 : -1))[0];
  return newest !== undefined && newest.isClean;
}

function pageSizeOf(beginning: Buffer): number | undefined {
  if (beginning.toString('latin1', 0, 4) !== RESTART_SIGNATURE) return undefined;
  const bytes = beginning.readUInt32LE(16);
  return bytes >= LEAST_PAGE_BYTES && bytes <= beginning.length / 2 ? bytes : undefined;
}

/** Page: signature at 0, place of the area at 24. Area: number of the last record, ..., clients in use, flags. */
function restartArea(page: Buffer): { number: bigint; isClean: boolean } | undefined {
  if (page.length < LEAST_PAGE_BYTES || page.toString('latin1', 0, 4) !== RESTART_SIGNATURE) return undefined;
  const offset = page.readUInt16LE(24);
  if (offset + 16 > page.length) return undefined;
  const flags = page.readUInt16LE(offset + 14);
  return {
    number: page.readBigUInt64LE(offset),
    isClean: page.readUInt16LE(offset + 12) === NO_CLIENT || (flags & VOLUME_WAS_CLEAN) !== 0,
  };
}

/** The name in the value of an attribute $FILE_NAME, and the folder that it is in. */
export function parseFileName(value: Buffer): { parent: number; name: string; isShortOnly: boolean } {
  return {
    parent: value.readUIntLE(0, 6),
    name: value.toString('utf16le', 66, 66 + 2 * value.readUInt8(64)),
    isShortOnly: value.readUInt8(65) === 2,
  };
}

import { DiskferryError } from '@diskferry/system/errors';

/**
 * 2026-01-01, the time written into all files: a constant, not the time of the commit, so that a commit which changes
 * nothing in the boot image does not change its bytes.
 */
const DEFAULT_EPOCH = 1_767_225_600;

/**
 * Seconds since 1970 from SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
 *
 * @throws {DiskferryError} `SOURCE_DATE_EPOCH` when it is no such number
 */
export function sourceDateEpoch(text = process.env['SOURCE_DATE_EPOCH']): number {
  if (text === undefined || text === '') return DEFAULT_EPOCH;
  // FAT knows no time before 1980, and cpio none after 2106.
  if (/^\d+$/.test(text) && Number(text) >= 315_532_800 && Number(text) <= 0xffff_ffff) return Number(text);
  throw new DiskferryError(
    'SOURCE_DATE_EPOCH',
    `SOURCE_DATE_EPOCH is "${text}"; it must be seconds since 1970, between the years 1980 and 2106`,
  );
}

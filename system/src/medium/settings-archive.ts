import { type CpioEntry, makeCpio } from './cpio.ts';
import type { MediumSettings } from './medium-settings.ts';

/** Paths in the archive, which stage 1 of the secondary OS copies to /etc/diskferry. */
export const SETTINGS_FILES = {
  authority: 'settings/ca.pem',
  enrolment: 'settings/enrolment',
  server: 'settings/server',
} as const satisfies Record<keyof MediumSettings, string>;

/**
 * The settings of a medium as an archive of its own. It can also be appended to an initrd that is there already: the
 * kernel unpacks archives one after the other, and each of ours ends at a multiple of four.
 *
 * @param epoch the time of all entries, in seconds since 1970
 */
export function settingsArchive(settings: MediumSettings, epoch: number): Buffer {
  return makeCpio(settingsEntries(settings), epoch);
}

/** The entries of the archive; the secret is for root only. */
export function settingsEntries({ server, authority, enrolment }: MediumSettings): CpioEntry[] {
  return [
    { path: 'settings', mode: 0o040700 },
    { path: SETTINGS_FILES.authority, mode: 0o100644, data: Buffer.from(authority) },
    { path: SETTINGS_FILES.enrolment, mode: 0o100600, data: Buffer.from(`${enrolment}\n`) },
    { path: SETTINGS_FILES.server, mode: 0o100644, data: Buffer.from(`${server}\n`) },
  ];
}

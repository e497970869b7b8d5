import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MediumSettings, readMediumSettings } from '@diskferry/system/medium/medium-settings';
import { settingsArchive } from '@diskferry/system/medium/settings-archive';
import type { Session } from '@diskferry/system/session';

/** Nothing of it depends on when it was made. */
const EPOCH = 0;

/**
 * What a folder of `diskferry enrol` says, for the server that the computers shall dial.
 *
 * @throws {UsageError} for a server that is not HOST:PORT
 * @throws {DiskferryError} `MEDIUM_SETTINGS` when the folder does not hold what it should
 */
export async function readClientSettings(
  mediaFolder: string,
  server: string,
): Promise<MediumSettings | undefined> {
  const [ca, enrolment] = [join(mediaFolder, 'ca.pem'), join(mediaFolder, 'enrolment')];
  return readMediumSettings({ server, ca, enrolment });
}

/** Writes the archive that follows the initrd. It lies in the session's folder, which only root can read. */
export function writeSettingsFile(settings: MediumSettings, session: Session): string {
  const path = join(session.folder, 'settings.cpio');
  writeFileSync(path, settingsArchive(settings, EPOCH), { mode: 0o600 });
  return path;
}

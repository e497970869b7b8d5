import { makeCpio } from './cpio.ts';
import type { MediumSettings } from './medium-settings.ts';

/**
 * The settings of a medium as an archive of its own, which stage 1 copies to /etc/diskferry. It can also be appended to an
 * initrd that is there already: the kernel unpacks archives one after the other, and each of ours ends at a multiple of four.
 */
export function settingsArchive({ server, authority, enrolment }: MediumSettings, epoch: number): Buffer {
  const entries = [
    { path: 'settings', mode: 0o040700 },
    { path: 'settings/ca.pem', mode: 0o100644, data: Buffer.from(authority) },
    { path: 'settings/enrolment', mode: 0o100600, data: Buffer.from(`${enrolment}\n`) },
    { path: 'settings/server', mode: 0o100644, data: Buffer.from(`${server}\n`) },
  ];
  return makeCpio(entries, epoch);
}

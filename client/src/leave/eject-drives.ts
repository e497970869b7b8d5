import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { libc } from '../native/libc.ts';
import { listFolder } from '../sysfs.ts';

/** Of the kernel's cdrom.h. */
const CDROMEJECT = 0x5309n;
const CDROM_LOCKDOOR = 0x5329n;
const CD_DRIVE = /^sr\d+$/;

/** Opens the trays of all CD drives, as far as they have any, so that the firmware does not start from the CD again. */
export function ejectDrives(root = '/'): void {
  const drives = listFolder(join(root, 'sys/block')).filter((name) => CD_DRIVE.test(name));
  for (const drive of drives) eject(join(root, 'dev', drive));
}

function eject(path: string): void {
  if (libc === undefined) return;
  try {
    // Without a medium it can be opened, too.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    libc.ioctl(fd, CDROM_LOCKDOOR, null);
    libc.ioctl(fd, CDROMEJECT, null);
    closeSync(fd);
  } catch {
    // A drive that is gone, or that does not open, is no reason to stay.
  }
}

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';

/** Every program that the build calls, with its Debian package. */
const TOOLS = {
  'apt-cache': 'apt',
  'apt-get': 'apt',
  depmod: 'kmod',
  'dpkg-deb': 'dpkg',
  'grub-mkimage': 'grub-common',
  mcopy: 'mtools',
  mformat: 'mtools',
  mksquashfs: 'squashfs-tools',
  xorriso: 'xorriso',
} as const;

/**
 * Looks for all tools before the first long step.
 *
 * @throws {DiskferryError} `TOOLS_MISSING` naming all missing packages at once
 */
export function requireTools(searchPath = process.env['PATH'] ?? ''): void {
  const missing = Object.entries(TOOLS).filter(([tool]) => !isOnPath(tool, searchPath));
  if (missing.length === 0) return;
  const tools = missing.map(([tool]) => tool).join(', ');
  const packages = [...new Set(missing.map(([, name]) => name))].join(' ');
  throw new DiskferryError(
    'TOOLS_MISSING',
    `the boot image cannot be built without ${tools}: install with: apt-get install --no-install-recommends ${packages}`,
  );
}

function isOnPath(tool: string, searchPath: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

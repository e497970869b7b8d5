import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { DiskferryError } from './errors.ts';
import { installHint } from './packages.ts';

/** System folders that hold mount, mkfs and the like, and that are missing in the PATH of some root shells. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Makes programs of the system folders reachable, also from a root shell opened with plain `su`. */
export function extendPath(): void {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  process.env['PATH'] = [...new Set([...folders, ...SYSTEM_FOLDERS])].join(':');
}

/** Whether a program is found in the PATH. */
export function hasTool(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Refuses early where a later step would fail for want of a program.
 *
 * @throws {DiskferryError} `TOOLS_MISSING`, naming every missing program and its package
 */
export function requireTools(programs: readonly string[]): void {
  const missing = programs.filter((program) => !hasTool(program));
  if (missing.length === 0) return;
  const sentences = missing.map((program) => `${program} (${installHint(program) ?? 'install it'})`);
  throw new DiskferryError('TOOLS_MISSING', `missing on this server: ${sentences.join(', ')}`);
}

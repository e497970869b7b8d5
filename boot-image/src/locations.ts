import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

export const DIST_FOLDER = join(REPOSITORY, 'dist');
/** Our own inputs: driver lists, start-up scripts, the menu. */
export const SOURCE_FOLDER = join(REPOSITORY, 'boot-image');

/** Downloads and intermediate results; safe to delete at any time. */
export function cacheFolder(): string {
  return process.env['DISKFERRY_CACHE'] ?? join(homedir(), '.cache/diskferry');
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';

const CHECKOUT = join(import.meta.dirname, '../..');
/** DISKFERRY_DIST, to test media that were built elsewhere. */
const DIST_FOLDER = process.env['DISKFERRY_DIST'] ?? join(CHECKOUT, 'dist');

/** Where the serial logs of all tests are kept. */
export const LOG_FOLDER = join(CHECKOUT, 'qemu-tests/logs');
/** The command line, as `npx diskferry` finds it. */
export const COMMAND_LINE = join(CHECKOUT, 'server/bin/diskferry.js');

export type ArtefactName =
  | 'diskferry.iso'
  | 'pxe/vmlinuz'
  | 'pxe/initrd'
  | 'pxe/extra-drivers'
  | 'boot-image.manifest.json';

/**
 * The path of something that `npm run build` makes.
 *
 * @throws {DiskferryError} `NOT_BUILT`
 */
export function artefact(name: ArtefactName): string {
  const path = join(DIST_FOLDER, name);
  if (!existsSync(path)) throw new DiskferryError('NOT_BUILT', `${path} is missing: npm run build makes it`);
  return path;
}

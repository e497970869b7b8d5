import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { hashFile } from '../hash.ts';
import { pathExists } from '../path-exists.ts';
import type { DebianPackage } from './package-index.ts';

/**
 * The .deb file of a package, downloaded by apt unless the cache has it. Nothing is installed.
 *
 * @throws {DiskferryError} `PACKAGE_DAMAGED` when the file does not have the hash of apt's index
 */
export async function fetchPackage(item: DebianPackage, cacheFolder: string): Promise<string> {
  const folder = join(cacheFolder, 'packages');
  const path = join(folder, `${item.name}_${item.sha256}.deb`);
  if ((await pathExists(path)) && (await hashFile(path)) === item.sha256) return path;
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, 'download-'));
  try {
    // Without the first option apt complains that its own user may not write into this folder. With the second it tries for
    // some two minutes, instead of seconds, to reach a mirror that does not answer for a moment.
    const options = ['APT::Sandbox::User=root', 'Acquire::Retries=8'].flatMap((option) => ['-o', option]);
    const command = ['apt-get', '-qq', ...options, 'download'] as const;
    await run([...command, `${item.name}=${item.version}`], { cwd: scratch });
    const [file = ''] = await readdir(scratch);
    const sha256 = await hashFile(join(scratch, file));
    if (sha256 !== item.sha256) {
      throw new DiskferryError(
        'PACKAGE_DAMAGED',
        `${file} has the SHA-256 ${sha256}, but apt's index says ${item.sha256}: run "apt-get update" and try again`,
      );
    }
    await rename(join(scratch, file), path);
    return path;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import { pathExists } from '../path-exists.ts';
import { fetchPackage } from './fetch-package.ts';
import type { DebianPackage } from './package-index.ts';

/** The folder with the files of a package, unpacked once for each version of it. */
export async function unpackPackage(
  item: DebianPackage,
  cacheFolder: string,
  finish: (folder: string) => Promise<void> = async () => {},
): Promise<string> {
  const folder = join(cacheFolder, 'unpacked');
  const path = join(folder, `${item.name}_${item.sha256}`);
  if (await pathExists(path)) return path;
  await mkdir(folder, { recursive: true });
  const deb = await fetchPackage(item, cacheFolder);
  const scratch = await mkdtemp(join(folder, 'unpack-'));
  try {
    await run(['dpkg-deb', '--extract', deb, scratch]);
    await finish(scratch);
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    // Another build may have been faster with the same package.
    if (!(await pathExists(path))) throw error;
  }
  return path;
}

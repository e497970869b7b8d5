import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { run } from '@diskferry/system/run';
import { cachedFile, recipeHash } from './cache.ts';
import type { BuildOptions } from './build-options.ts';

const SCRIPT = fileURLToPath(new URL('debian.sh', import.meta.url));
/** Downloading some 120 MB and unpacking takes half a minute on a good line. */
const TIMEOUT_MS = 15 * 60_000;

/** A tar archive with the Debian system that all source computers share. Made once, then cached. */
export async function debianArchive({ session, signal, onProgress }: BuildOptions): Promise<string> {
  const hash = await debianRecipe();
  return cachedFile({
    name: `debian-${hash}.tar`,
    session,
    build: async (path) => {
      onProgress('making a Debian system with mmdebstrap');
      const mirror = process.env['DISKFERRY_DEBIAN_MIRROR'];
      await run(['sh', SCRIPT, path, ...(mirror === undefined ? [] : [mirror])], {
        signal,
        timeoutMs: TIMEOUT_MS,
      });
    },
  });
}

/** Changes whenever the archive would be another one. */
export async function debianRecipe(): Promise<string> {
  return recipeHash([await readFile(SCRIPT)]);
}

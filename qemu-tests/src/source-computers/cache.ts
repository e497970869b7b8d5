import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Session } from '@diskferry/system/session';

/** DISKFERRY_CACHE, or a folder of the user's cache. */
export function cacheFolder(): string {
  return process.env['DISKFERRY_CACHE'] ?? join(homedir(), '.cache', 'diskferry');
}

/** A short name of everything that goes into a cached file. */
export function recipeHash(ingredients: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const ingredient of ingredients) hash.update(`${ingredient.length}:`).update(ingredient);
  return hash.digest('hex').slice(0, 16);
}

export interface CachedFile {
  /** With the hash of its recipe: another recipe is another name. */
  readonly name: string;
  /** Holds the half-made file, which vanishes with an interrupted build. */
  readonly session: Session;
  /** Makes the file at the given path. */
  readonly build: (path: string) => Promise<void>;
}

/** The path of a file that is made only if no earlier run made it. It gets its name when it is complete. */
export async function cachedFile({ name, session, build }: CachedFile): Promise<string> {
  const folder = cacheFolder();
  const path = join(folder, name);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const halfMade = { kind: 'file', path: join(folder, `.${session.id}-${name}`) } as const;
  session.hold(halfMade);
  await build(halfMade.path);
  await rename(halfMade.path, path);
  session.drop(halfMade);
  return path;
}

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rmdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Resource } from '@diskferry/system/resource';
import { cleanUp, listSessions, type Session } from '@diskferry/system/session';

/** DISKFERRY_CACHE, or a folder of the user's cache. */
export function cacheFolder(): string {
  return process.env['DISKFERRY_CACHE'] ?? join(homedir(), '.cache', 'diskferry');
}

/** How often it is seen whether another process has made a file, in ms. */
const POLL_MS = 1_000;

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

/**
 * The path of a file that is made only if no earlier run made it. It gets its name when it is complete. Where another process
 * makes it at this moment, it is waited for: two of them would not be alike in every byte, and the second would replace
 * the first under the hands of a test.
 */
export async function cachedFile({ name, session, build }: CachedFile): Promise<string> {
  const folder = cacheFolder();
  const path = join(folder, name);
  if (existsSync(path)) return path;
  await mkdir(folder, { recursive: true });
  const turn = { kind: 'directory', path: join(folder, `.making-${name}`) } as const;
  while (!(await isTaken(turn, session))) {
    await sleep(POLL_MS);
    // Its maker may have been killed, even together with this machine, which forgets sessions then.
    await cleanUp();
    if (!isHeld(turn)) await rmdir(turn.path).catch(() => undefined);
  }
  if (!existsSync(path)) await make(path, { name, session, build });
  await session.release(turn);
  return path;
}

/** Makes a folder that only one process can make. False if another one has it. */
async function isTaken(folder: Extract<Resource, { kind: 'directory' }>, session: Session): Promise<boolean> {
  session.hold(folder);
  try {
    await mkdir(folder.path);
    return true;
  } catch (error) {
    session.drop(folder);
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

function isHeld({ path }: { readonly path: string }): boolean {
  return listSessions().some(({ held }) =>
    held.some((resource) => resource.kind === 'directory' && resource.path === path),
  );
}

async function make(path: string, { name, session, build }: CachedFile): Promise<void> {
  const folder = dirname(path);
  const halfMade = { kind: 'file', path: join(folder, `.${session.id}-${name}`) } as const;
  session.hold(halfMade);
  await build(halfMade.path);
  await rename(halfMade.path, path);
  session.drop(halfMade);
}

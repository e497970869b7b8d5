import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from '../source-computers/cache.ts';

/** Which hardware the modules of a kernel package say that they drive. */
export type ModuleAliases = (identity: string) => readonly string[];

/**
 * Reads modules.alias of the kernel package from which the media were made: "alias PATTERN MODULE" a line, modules.alias(5).
 *
 * @param release such as "6.1.0-56-amd64"
 * @returns undefined where the package is not in the cache, as with media that were built elsewhere
 */
export async function readModuleAliases(release: string): Promise<ModuleAliases | undefined> {
  const unpacked = join(cacheFolder(), 'unpacked');
  const folders = existsSync(unpacked) ? await readdir(unpacked) : [];
  const path = folders
    .map((folder) => join(unpacked, folder, 'lib/modules', release, 'modules.alias'))
    .find((candidate) => existsSync(candidate));
  return path === undefined ? undefined : parseModuleAliases(await readFile(path, 'utf8'));
}

export function parseModuleAliases(text: string): ModuleAliases {
  const aliases = text.split('\n').flatMap((line) => {
    const [keyword, pattern, name] = line.split(' ');
    return keyword === 'alias' && pattern !== undefined && name !== undefined ? [{ pattern, name }] : [];
  });
  return (identity) => {
    const bus = identity.slice(0, identity.indexOf(':') + 1);
    return aliases
      .filter(({ pattern }) => pattern.startsWith(bus) && matches(pattern, identity))
      .map(({ name }) => name);
  };
}

/** A pattern of fnmatch(3), of which PCI uses the * alone. */
function matches(pattern: string, identity: string): boolean {
  return new RegExp(
    `^${pattern
      .split('*')
      .map((part) => RegExp.escape(part))
      .join('.*')}$`,
  ).test(identity);
}

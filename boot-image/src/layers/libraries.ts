import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import type { PackageName } from '../packages/package-names.ts';

const LIBRARY_PACKAGES = [
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libatomic1',
] as const satisfies readonly PackageName[];
/** Where Debian 12 packages put libraries; libc6 and libgcc-s1 still use the second. */
const LIBRARY_FOLDERS = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'];
const LOADER = 'lib64/ld-linux-x86-64.so.2';

export interface Libraries {
  /** The dynamic loader: it has a fixed place in the file system, written into each executable. */
  readonly loader: string;
  readonly libraries: readonly string[];
}

/**
 * The shared libraries that an executable needs, all of them from the unpacked packages and none from this machine.
 *
 * @throws {DiskferryError} `LIBRARY_MISSING` when no package in the list has one of them
 */
export async function findLibraries(
  executable: string,
  folders: Readonly<Record<PackageName, string>>,
): Promise<Libraries> {
  const searchPath = LIBRARY_PACKAGES.flatMap((name) =>
    LIBRARY_FOLDERS.map((folder) => join(folders[name], folder)),
  );
  const loader = join(folders.libc6, LOADER);
  const command = [loader, '--inhibit-cache', '--library-path', searchPath.join(':'), '--list'] as const;
  const { stdout } = await run([...command, executable], { okExitCodes: [0, 1] });
  const { found, missing } = parseLibraryList(stdout);
  const foreign = found.filter((path) => !searchPath.some((folder) => path.startsWith(`${folder}/`)));
  if (found.length === 0 || missing.length + foreign.length > 0) {
    throw new DiskferryError(
      'LIBRARY_MISSING',
      `${executable} needs libraries that no package of the boot image has: ${[...missing, ...foreign].join(', ')}; ` +
        'add their package to boot-image/src/packages/package-names.ts and to LIBRARY_PACKAGES',
    );
  }
  return { loader, libraries: found.toSorted() };
}

/** Reads the list of ld.so: "NAME => PATH (ADDRESS)", "NAME => not found", and lines for the loader and the vDSO. */
export function parseLibraryList(text: string): { found: string[]; missing: string[] } {
  const found: string[] = [];
  const missing: string[] = [];
  for (const line of text.split('\n')) {
    const [, name, target] = /^\s*(\S+) => (not found|\S+)/.exec(line) ?? [];
    if (name === undefined || target === undefined || name.includes('ld-linux')) continue;
    if (target === 'not found') missing.push(name);
    else found.push(target);
  }
  return { found, missing };
}

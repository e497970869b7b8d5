import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { moduleName } from './module-index.ts';

/** The key of firmware names in the .modinfo section, a list of KEY=VALUE strings that end with a zero byte. */
const KEY = Buffer.from('\0firmware=');

/**
 * Names of the firmware files that chosen drivers may ask for, each as "DRIVER FILE". None of them is in the boot image:
 * Debian has them in non-free packages. Most drivers do without; some, such as bnx2, do not work.
 */
export async function wantedFirmware(modulesFolder: string, drivers: readonly string[]): Promise<string[]> {
  const lists = drivers.map(async (path) =>
    firmwareNames(await readFile(join(modulesFolder, path))).map((file) => `${moduleName(path)} ${file}`),
  );
  return (await Promise.all(lists)).flat().sort();
}

/** Firmware names that a module file declares. */
export function firmwareNames(module: Buffer): string[] {
  const names: string[] = [];
  for (let at = module.indexOf(KEY); at >= 0; at = module.indexOf(KEY, at + KEY.length)) {
    const begin = at + KEY.length;
    names.push(module.toString('latin1', begin, module.indexOf(0, begin)));
  }
  return names;
}

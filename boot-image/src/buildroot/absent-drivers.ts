import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseDrivers } from '../drivers/choose-drivers.ts';
import { moduleName, parseModuleIndex } from '../drivers/module-index.ts';
import { readDriverLists } from '../drivers/read-driver-lists.ts';
import { SOURCE_FOLDER } from '../locations.ts';

/**
 * Looks whether the kernel has every driver that the lists in boot-image/drivers name, as a module or built in.
 *
 * @throws {DiskferryError} `DRIVER_ABSENT` naming those that it has not
 */
export async function requireDrivers(modulesFolder: string): Promise<void> {
  const read = (name: string): Promise<string> => readFile(join(modulesFolder, name), 'utf8');
  const index = parseModuleIndex(await read('modules.dep'), await read('modules.softdep'));
  const paths = new Map(index.paths);
  for (const path of (await read('modules.builtin')).split('\n').filter((line) => line !== '')) {
    paths.set(moduleName(path), path);
  }
  chooseDrivers(await readDriverLists(join(SOURCE_FOLDER, 'drivers')), { ...index, paths });
}

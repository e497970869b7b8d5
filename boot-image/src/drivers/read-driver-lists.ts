import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DriverEntry, parseDriverList } from './driver-list.ts';

/** All entries of the `*.list` files of a folder. */
export async function readDriverLists(folder: string): Promise<DriverEntry[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.list')).sort();
  const lists = await Promise.all(
    names.map(async (name) => parseDriverList(await readFile(join(folder, name), 'utf8'), name)),
  );
  return lists.flat();
}

import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { listTree } from './list-tree.ts';

/** Bytes of all files below a folder. */
export async function sizeOfTree(folder: string): Promise<number> {
  const paths = await listTree(folder);
  const facts = await Promise.all(paths.map((path) => lstat(join(folder, path))));
  return facts.filter((fact) => fact.isFile()).reduce((sum, { size }) => sum + size, 0);
}

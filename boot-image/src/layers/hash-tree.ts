import { createHash } from 'node:crypto';
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../hash.ts';
import { listTree } from './list-tree.ts';

/** SHA-256 over names, types, modes and contents of a folder, hex. Times and owners do not count. */
export async function hashTree(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await listTree(folder)) {
    const full = join(folder, path);
    const facts = await lstat(full);
    let content = '';
    if (facts.isSymbolicLink()) content = await readlink(full);
    else if (facts.isFile()) content = await hashFile(full);
    hash.update(`${path}\0${facts.mode.toString(8)}\0${content}\n`);
  }
  return hash.digest('hex');
}

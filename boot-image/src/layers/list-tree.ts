import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Paths of all that is below a folder, sorted. Node's own recursive listing is of no use here: it follows
 * symbolic links to folders.
 */
export async function listTree(folder: string, prefix = ''): Promise<string[]> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true });
  const paths = entries.map(async (entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? [path, ...(await listTree(folder, path))] : [path];
  });
  return (await Promise.all(paths)).flat().sort();
}

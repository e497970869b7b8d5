import { copyFile, mkdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { listTree } from '../layers/list-tree.ts';

/** What the Debian-parts build puts into dist, besides the imaging client. */
const ARTEFACTS = ['diskferry.iso', 'pxe', 'boot-image.manifest.json', 'boot-image.left-out.txt'] as const;

/** Copies the finished media to where the other build leaves its own. A file is replaced in one step. */
export async function publishArtefacts(imagesFolder: string, distFolder: string): Promise<void> {
  const paths = (await listTree(imagesFolder)).filter((path) =>
    ARTEFACTS.some((name) => path === name || path.startsWith(`${name}/`)),
  );
  for (const path of paths) {
    const source = join(imagesFolder, path);
    if ((await stat(source)).isDirectory()) continue;
    const target = join(distFolder, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(source, `${target}.new`);
    await rename(`${target}.new`, target);
  }
}

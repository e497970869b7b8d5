import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { RefusedError } from '../refused-error.ts';

/** C0 and DEL of ASCII: they would spoil a screen, and NUL ends a name in the kernel. */
const CONTROL = new RegExp(String.raw`[\u0000-\u001f\u007f]`);

/** A regular file of a folder, opened for reading. */
export interface ContainedFile extends AsyncDisposable {
  readonly handle: FileHandle;
  /** Absolute. */
  readonly path: string;
  readonly stats: Stats;
}

/**
 * Opens a file of a folder and nothing else: what is named is neither outside the folder, nor behind a symbolic link, nor
 * a device.
 *
 * @param name path within the folder
 * @throws {RefusedError} `FILE_NAME`, `FILE_MISSING`, `FILE_OUTSIDE` or `FILE_KIND`
 */
export async function openContained(folder: string, name: string): Promise<ContainedFile> {
  requireContainedName(name);
  const path = join(folder, name);
  await refuseLinks(folder, name);
  // Neither a link that came into being this moment is followed, nor is a pipe waited for.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    // What was opened, whatever happened to the names meanwhile.
    const opened = await readlink(`/proc/self/fd/${handle.fd}`);
    if (opened !== join(await realpath(folder), name)) throw outside(name, folder);
    const stats = await handle.stat();
    if (!stats.isFile()) throw noFile(path);
    return { handle, path, stats, [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Refuses what is no name of a file within a folder, without looking at the folder. Hidden names are ours: half-made files
 * and markers.
 *
 * @throws {RefusedError} `FILE_NAME`
 */
export function requireContainedName(name: string): void {
  const parts = name.split('/');
  const isWrong = parts.some((part) => part === '' || part.startsWith('.')) || CONTROL.test(name);
  if (!isWrong) return;
  throw new RefusedError(
    'FILE_NAME',
    `${JSON.stringify(name)} names no file of a location; write its path within the folder, such as web.qcow2 or old/web.qcow2`,
  );
}

async function refuseLinks(folder: string, name: string): Promise<void> {
  let path = folder;
  for (const part of name.split('/')) {
    path = join(path, part);
    const stats = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw cause;
      throw new RefusedError('FILE_MISSING', `there is no file ${join(folder, name)}`, { cause });
    });
    if (stats.isSymbolicLink()) {
      throw new RefusedError(
        'FILE_OUTSIDE',
        `${path} is a symbolic link; only files that are themselves in the folder of a location are used`,
      );
    }
    if (!stats.isDirectory() && !stats.isFile()) throw noFile(path);
  }
  if ((await lstat(path)).isDirectory()) throw noFile(path);
}

function noFile(path: string): RefusedError {
  return new RefusedError('FILE_KIND', `${path} is not a regular file, so it is no image`);
}

function outside(name: string, folder: string): RefusedError {
  return new RefusedError('FILE_OUTSIDE', `${name} leads out of the folder ${folder}`);
}

import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rm, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';
import type { LocationRow } from './tables.ts';

/** Says whose folder it is. Where a share is not mounted, its mount point has none. */
export const MARKER = '.diskferry-location';

/** What is written in the marker. */
interface Marker {
  readonly location: string;
}

type Place = Pick<LocationRow, 'id' | 'name' | 'folder'>;

/**
 * Does some work in the folder of a location, after a look whether it is there. The folder is held open meanwhile, so a
 * share cannot be unmounted under the work, which would go on beneath its mount point.
 *
 * @throws {RefusedError} `LOCATION_UNAVAILABLE`
 */
export async function inLocation<T>(place: Place, work: () => Promise<T>): Promise<T> {
  const folder = await openFolder(place);
  try {
    await requireMarker(place, `/proc/self/fd/${folder.fd}`);
    return await work();
  } finally {
    await folder.close();
  }
}

/** Whether the folder of a location is there, and its share mounted. */
export async function isAvailable(place: Place): Promise<boolean> {
  try {
    await inLocation(place, async () => {});
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

async function openFolder({ name, folder }: Place): Promise<FileHandle> {
  return open(folder, constants.O_RDONLY | constants.O_DIRECTORY).catch((cause: NodeJS.ErrnoException) => {
    throw unavailable(name, `its folder ${folder} cannot be opened (${cause.code})`);
  });
}

async function requireMarker({ id, name, folder }: Place, opened: string): Promise<void> {
  const found = await readMarker(opened).catch((error: unknown) => {
    throw unavailable(name, `its folder ${folder} cannot be read: ${messageOf(error)}`);
  });
  if (found === id) return;
  throw unavailable(
    name,
    found === undefined
      ? `the folder ${folder} is there, but not the file ${MARKER} in it`
      : `the folder ${folder} is that of another location (${found})`,
  );
}

function unavailable(name: string, why: string): RefusedError {
  return new RefusedError(
    'LOCATION_UNAVAILABLE',
    `the location ${name} is not available: ${why}; mount its share, then try again`,
  );
}

/** The location that a folder is marked as; undefined if it is not. A marker that cannot be understood is nobody's. */
export async function readMarker(folder: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, MARKER), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { location } = JSON.parse(text) as Partial<Marker>;
    return location ?? 'nobody knows whose';
  } catch {
    return 'nobody knows whose';
  }
}

/** Marks a folder, so that it is known after a power failure too. */
export async function writeMarker(folder: string, id: string): Promise<void> {
  await using file = await open(join(folder, MARKER), 'w', 0o644);
  await file.writeFile(`${JSON.stringify({ location: id } satisfies Marker)}\n`);
  await file.sync();
  await syncFolder(folder);
}

/** Takes the marker of a location away, where it is there. */
export async function removeMarker({ id, folder }: Place): Promise<void> {
  if ((await readMarker(folder).catch(() => undefined)) === id)
    await rm(join(folder, MARKER), { force: true });
}

/**
 * Tries whether a folder can be written to. To look at its modes is not enough: root may be nobody on a share.
 *
 * @throws what the file system answers
 */
export async function tryToWrite(folder: string): Promise<void> {
  const path = join(folder, `.diskferry-probe-${randomUUID()}`);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile('x');
  } finally {
    await file.close();
    await unlink(path);
  }
}

/** Makes sure that the names in a folder survive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems have no such thing; their server sees to it.
    if (!['EINVAL', 'ENOTSUP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** Bytes that can be written to a folder. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

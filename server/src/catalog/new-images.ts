import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { messageOf } from '@diskferry/system/errors';
import { formatBytes } from '@diskferry/system/units';
import { newId, now } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import {
  type CatalogContext,
  explainFull,
  subjectOf,
  type WorkOptions,
  wrongState,
} from './catalog-context.ts';
import { type ContainedFile, openContained } from './contained-file.ts';
import { digestFile } from './digest-file.ts';
import { type Image, type ImageOrigin, readImage, titleOf } from './image.ts';
import { refuseTaken, setTags, takeVersion } from './image-changes.ts';
import { HEAD_BYTES, recogniseImage, refusalOf } from './image-header.ts';
import { abandonImage } from './image-removal.ts';
import {
  newFileName,
  requireName,
  requireNotes,
  requireVersion,
  searchTextOf,
  tidyTags,
} from './image-words.ts';
import { freeBytes, inLocation, syncFolder } from './location-folder.ts';
import { examineImage, sectorSizeOf } from './qemu-image.ts';
import type { Arrival } from './tables.ts';

/** stat counts blocks of 512 bytes whatever the file system (stat(2)). */
const STAT_BLOCK_BYTES = 512;

/** What is said of a new image. */
export interface NewImageWishes {
  readonly name: string;
  /** The next one of the name by default. */
  readonly version?: number | undefined;
  readonly notes?: string | undefined;
  readonly tags?: readonly string[] | undefined;
}

export interface ReserveWishes extends NewImageWishes {
  readonly locationId: string;
  readonly format: ImageFormat;
  readonly origin: ImageOrigin;
}

export interface ImportWishes extends NewImageWishes {
  /** A file in the folder of a location. */
  readonly from: { readonly locationId: string; readonly file: string };
  /** The location to which it is copied; it stays where it is if absent, and is the catalog's from then on. */
  readonly to?: string | undefined;
  /** Recognised by its contents by default. To be given for what only its owner knows to be raw. */
  readonly format?: ImageFormat | undefined;
  readonly origin?: Omit<ImageOrigin, 'kind' | 'path'> | undefined;
}

/**
 * Makes room in the catalog for an image that a job is going to make at `path`. Nothing is at that path yet.
 *
 * @throws {UsageError} for a name, version, tag or notes that cannot be
 * @throws {RefusedError} `IMAGE_EXISTS`, `LOCATION_MISSING`, `LOCATION_UNAVAILABLE`
 */
export async function reserveImage(context: CatalogContext, wishes: ReserveWishes): Promise<Image> {
  const location = await context.locations.get(wishes.locationId);
  return inLocation(location, () => insertImage(context, wishes, { arrival: 'made' }));
}

/**
 * Checks the file of a reserved image and makes it ready. On failure it stays reserved: mend the file and finish again, or
 * abandon it.
 *
 * @throws {ImageError} `IMAGE_DAMAGED`, `IMAGE_FORMAT`, `IMAGE_IN_USE`
 * @throws {RefusedError} `FILE_MISSING`; `IMAGE_STATE` if it is no reserved image, or another server was faster
 */
export async function finishImage(
  context: CatalogContext,
  id: string,
  options: WorkOptions & { readonly sectorSize?: number | undefined },
): Promise<Image> {
  const { database, server, active } = context;
  // A job may be finished by another server than the one that began it.
  await database
    .updateTable('images')
    .set({ workedBy: server })
    .where('id', '=', id)
    .where('state', '=', 'importing')
    .execute();
  const image = await readImage(id, database);
  if (image.state !== 'importing' || image.arrival !== 'made') throw wrongState(image, 'finished');
  active.add(id);
  const location = await context.locations.get(image.locationId);
  return inLocation(location, async () => {
    await using file = await openContained(location.folder, image.file);
    await requireUsable(file, image.format);
    const { sha256 } = await digestFile(file.handle, watched(file, options));
    return await makeReady(context, image, file, { sha256, ...options });
  });
}

/**
 * Brings a virtual disk file of a location into the catalog, where it is or as a copy. If it fails, nothing of it is left;
 * the file it was made from is never changed.
 *
 * @throws {UsageError} for a name, version, tag or notes that cannot be
 * @throws {RefusedError} `FILE_NAME`, `FILE_MISSING`, `FILE_OUTSIDE`, `FILE_KIND`, `IMAGE_EXISTS`, `IMAGE_REFUSED`,
 * `LOCATION_MISSING`, `LOCATION_UNAVAILABLE`, `LOCATION_TOO_SMALL`
 * @throws {ImageError} `IMAGE_DAMAGED`, `IMAGE_FORMAT`, `IMAGE_IN_USE`
 * @throws {DiskferryError} `LOCATION_FULL`, `FILE_CHANGED`
 */
export async function importImage(
  context: CatalogContext,
  wishes: ImportWishes,
  options: WorkOptions,
): Promise<Image> {
  const source = await context.locations.get(wishes.from.locationId);
  return inLocation(source, async () => {
    await using file = await openContained(source.folder, wishes.from.file);
    const format = await requireUsable(file, wishes.format);
    const origin: ImageOrigin = { ...wishes.origin, kind: 'import', path: file.path };
    const row = { ...wishes, format, origin };
    // Awaited here: the file is closed at the end of this block.
    return await (wishes.to === undefined
      ? adopt(context, { ...row, locationId: source.id }, file, options)
      : copyIn(context, { ...row, locationId: wishes.to }, file, options));
  });
}

async function adopt(
  context: CatalogContext,
  wishes: ImportWishes & ReserveWishes,
  file: ContainedFile,
  options: WorkOptions,
): Promise<Image> {
  const image = await insertImage(context, wishes, { arrival: 'adopted', file: wishes.from.file });
  return orAbandon(context, image, async () => {
    const { sha256 } = await digestFile(file.handle, watched(file, options));
    return await makeReady(context, image, file, { sha256, ...options });
  });
}

async function copyIn(
  context: CatalogContext,
  wishes: ReserveWishes,
  source: ContainedFile,
  options: WorkOptions,
): Promise<Image> {
  const location = await context.locations.get(wishes.locationId);
  return inLocation(location, async () => {
    await refuseUnlessItFits(source, location.folder);
    const image = await insertImage(context, wishes, { arrival: 'copied' });
    return orAbandon(context, image, async () => {
      const partial = join(location.folder, `.${image.file}.partial`);
      const sha256 = await copyFile(source, partial, options).catch((error: unknown) => {
        throw explainFull(error, location.folder);
      });
      await rename(partial, image.path);
      await using file = await openContained(location.folder, image.file);
      return await makeReady(context, image, file, { sha256, ...options });
    });
  });
}

async function copyFile(source: ContainedFile, path: string, options: WorkOptions): Promise<string> {
  await using target = await open(path, 'wx', 0o600);
  const { sha256 } = await digestFile(source.handle, { ...watched(source, options), copyTo: target });
  await target.sync();
  return sha256;
}

async function orAbandon(context: CatalogContext, image: Image, work: () => Promise<Image>): Promise<Image> {
  try {
    return await work();
  } catch (error) {
    // What cannot be removed now stays as what it is, and is removed by the next `recover`.
    await abandonImage(context, image.id, `${messageOf(error)}.`).catch(() => {});
    throw error;
  }
}

/** Writes down that an image is going to be, before anything of it is. */
async function insertImage(
  { database, server, locations, active }: CatalogContext,
  wishes: ReserveWishes,
  place: { readonly arrival: Arrival; readonly file?: string },
): Promise<Image> {
  const { name, version: wanted, notes = '', format, origin, locationId } = wishes;
  requireName(name, 'an image');
  if (wanted !== undefined) requireVersion(wanted);
  requireNotes(notes);
  const tags = tidyTags(wishes.tags ?? []);
  await locations.get(locationId);
  const id = newId();
  await database.transaction().execute(async (queries) => {
    const version = await takeVersion(queries, name, wanted);
    await refuseTaken(queries, name, version);
    const file = place.file ?? newFileName(name, version, id, format);
    const { numInsertedOrUpdatedRows } = await queries
      .insertInto('images')
      .values({
        id,
        name,
        version,
        state: 'importing',
        arrival: place.arrival,
        workedBy: server,
        locationId,
        file,
        format,
        originKind: origin.kind,
        originComputer: origin.computer ?? null,
        originDisk: origin.disk ?? null,
        originJob: origin.job ?? null,
        originPath: origin.path ?? null,
        notes,
        searchText: searchTextOf(name, notes, tags),
        createdAt: now(),
        ...UNKNOWN,
      })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n) {
      throw new RefusedError('IMAGE_EXISTS', `the file ${file} is an image of the catalog already`);
    }
    await setTags(queries, id, tags);
    active.add(id);
  });
  return readImage(id, database);
}

const UNKNOWN = {
  virtualSize: null,
  allocatedSize: null,
  fileSize: null,
  sha256: null,
  sectorSize: null,
  readyAt: null,
  checkedAt: null,
  usedAt: null,
  problem: null,
} as const;

/** The last steps of every image: its structure is checked, its bytes are made safe, then it becomes ready. */
async function makeReady(
  { database, server, events, active }: CatalogContext,
  image: Image,
  file: ContainedFile,
  {
    sha256,
    sectorSize,
    signal,
  }: { sha256: string; sectorSize?: number | undefined; signal?: AbortSignal | undefined },
): Promise<Image> {
  const facts = await examineImage(image.path, image.format, signal);
  const sectors = sectorSize ?? (await sectorSizeOf(image.path, image.format, facts, signal));
  await file.handle.sync();
  await syncFolder(dirname(image.path));
  const stats = await file.handle.stat();
  signal?.throwIfAborted();
  const ready = await database.transaction().execute(async (queries) => {
    const { numUpdatedRows } = await queries
      .updateTable('images')
      .set({
        ...facts,
        state: 'ready',
        workedBy: null,
        fileSize: stats.size,
        sha256,
        sectorSize: sectors,
        readyAt: now(),
        checkedAt: now(),
      })
      .where('id', '=', image.id)
      .where('state', '=', 'importing')
      .where('workedBy', '=', server)
      .executeTakeFirst();
    const ready = await readImage(image.id, queries);
    if (numUpdatedRows !== 1n) throw wrongState(ready, 'finished');
    const message = `The image ${titleOf(ready)} is ready.`;
    await events.add({ kind: 'image.ready', subject: subjectOf(ready), message }, queries);
    return ready;
  });
  active.delete(image.id);
  return ready;
}

/**
 * The format of a file, if it can be an image.
 *
 * @throws {RefusedError} `IMAGE_REFUSED`
 */
async function requireUsable(file: ContainedFile, wanted: ImageFormat | undefined): Promise<ImageFormat> {
  const { size } = file.stats;
  const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
  await file.handle.read(head, 0, head.length, 0);
  const recognised = recogniseImage(head, size);
  if (wanted === 'raw') {
    const refusal = refusalOf(head, size, 'raw');
    if (refusal === undefined) return 'raw';
    throw refused(file.path, refusal);
  }
  if ('refusal' in recognised) throw refused(file.path, recognised.refusal);
  if (wanted === undefined || wanted === recognised.format) return recognised.format;
  throw refused(file.path, `it is ${recognised.format}, not ${wanted}`);
}

function refused(path: string, why: string): RefusedError {
  return new RefusedError('IMAGE_REFUSED', `${path} cannot be an image of the catalog: ${why}`);
}

async function refuseUnlessItFits({ path, stats }: ContainedFile, folder: string): Promise<void> {
  const needed = stats.blocks * STAT_BLOCK_BYTES;
  const free = await freeBytes(folder);
  if (needed <= free) return;
  throw new RefusedError(
    'LOCATION_TOO_SMALL',
    `${path} takes ${formatBytes(needed)}, the folder ${folder} has ${formatBytes(free)} free; delete images, or choose ` +
      'another location',
  );
}

function watched({ stats }: ContainedFile, { onProgress, signal }: WorkOptions) {
  return { signal, onProgress: onProgress && ((bytes: number) => onProgress(bytes, stats.size)) };
}

import { readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '@diskferry/system/errors';
import type { Queries } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';
import { type CatalogContext, subjectOf, wrongState } from './catalog-context.ts';
import { requireContainedName } from './contained-file.ts';
import { type Image, readImage, titleOf } from './image.ts';
import { holdersOf } from './image-holds.ts';
import { inLocation, syncFolder } from './location-folder.ts';
import type { ImageState } from './tables.ts';

/** The states of an image that is not worked on. */
export const SETTLED: readonly ImageState[] = ['ready', 'damaged', 'missing'];

/**
 * Deletes an image with its file. The row says that it is being deleted before the file goes, and goes itself after it:
 * what is killed in between is done to its end by the next start.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_IN_USE`, `IMAGE_STATE`, `LOCATION_UNAVAILABLE`
 */
export async function deleteImage(context: CatalogContext, id: string): Promise<void> {
  const image = await readImage(id, context.database);
  const location = await context.locations.get(image.locationId);
  await inLocation(location, async () => {
    await context.database.transaction().execute((queries) => markDeleting(context, queries, id));
    await removeDeleting(context, image, 'image.deleted', `The image ${titleOf(image)} was deleted.`);
  });
}

/**
 * Takes an image out of the catalog and leaves its file, also where that is gone with its location.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_IN_USE`, `IMAGE_STATE`
 */
export async function forgetImage(context: CatalogContext, id: string): Promise<void> {
  const { database, events } = context;
  await database.transaction().execute(async (queries) => {
    await markDeleting(context, queries, id);
    const image = await readImage(id, queries);
    await queries.deleteFrom('images').where('id', '=', id).execute();
    const message = `The image ${titleOf(image)} was taken out of the catalog; its file ${image.path} was left.`;
    await events.add({ kind: 'image.forgotten', subject: subjectOf(image), message }, queries);
  });
}

async function markDeleting({ server }: CatalogContext, queries: Queries, id: string): Promise<void> {
  // First the row, so that a hold of the same moment is either seen below or refused for the state.
  const { numUpdatedRows } = await queries
    .updateTable('images')
    .set({ state: 'deleting', workedBy: server })
    .where('id', '=', id)
    .where('state', 'in', [...SETTLED])
    .executeTakeFirst();
  const image = await readImage(id, queries);
  // Thrown out of the transaction, which leaves all as it was.
  if (numUpdatedRows !== 1n) throw wrongState(image, 'deleted');
  const holders = await holdersOf(queries, id);
  if (holders.length === 0) return;
  const names = holders.map((holder) => `${holder.kind} ${holder.id}`).join(', ');
  throw new RefusedError(
    'IMAGE_IN_USE',
    `the image ${titleOf(image)} is in use by ${names}; wait for them or end them`,
  );
}

/**
 * Ends an import that will come to nothing: what was made or copied for it goes, a file that was there before stays.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`; `IMAGE_STATE` if it is finished
 */
export async function abandonImage(context: CatalogContext, id: string, why: string): Promise<void> {
  const { database, events } = context;
  const image = await readImage(id, database);
  const message = `The import of ${titleOf(image)} came to nothing: ${why}`;
  await database.transaction().execute(async (queries) => {
    const { numUpdatedRows } = await queries
      .updateTable('images')
      .set({ state: 'deleting', workedBy: context.server, problem: why })
      .where('id', '=', id)
      .where('state', '=', 'importing')
      .executeTakeFirst();
    if (numUpdatedRows !== 1n) throw wrongState(await readImage(id, queries), 'abandoned');
    context.active.delete(id);
    if (image.arrival !== 'adopted') return;
    await queries.deleteFrom('images').where('id', '=', id).execute();
    await events.add(abandoned(image, message), queries);
  });
  if (image.arrival === 'adopted') return;
  const location = await context.locations.get(image.locationId);
  await inLocation(location, () => removeDeleting(context, image, 'image.abandoned', message));
}

function abandoned(image: Image, message: string) {
  return { kind: 'image.abandoned', severity: 'warning', subject: subjectOf(image), message } as const;
}

/** Removes the file of an image that is being deleted, and then the image. To do it twice does no harm. */
async function removeDeleting(
  { database, events }: CatalogContext,
  image: Image,
  kind: 'image.deleted' | 'image.abandoned',
  message: string,
): Promise<void> {
  await removeFiles(image);
  await database.transaction().execute(async (queries) => {
    const { numDeletedRows } = await queries
      .deleteFrom('images')
      .where('id', '=', image.id)
      .where('state', '=', 'deleting')
      .executeTakeFirst();
    if (numDeletedRows !== 1n) return;
    await events.add(
      kind === 'image.abandoned' ? abandoned(image, message) : { kind, subject: subjectOf(image), message },
      queries,
    );
  });
}

/**
 * Removes the file of an image, and for one that was made or copied also what is half-made of it: hidden files that have
 * its name in theirs (see `NewImage` of transfer/).
 */
async function removeFiles(image: Image): Promise<void> {
  requireContainedName(image.file);
  const folder = dirname(image.path);
  const file = basename(image.path);
  const names = image.arrival === 'adopted' ? [] : await readdir(folder);
  const partial = names.filter((name) => name.startsWith(`.${file}.`) && name.endsWith('.partial'));
  for (const name of [file, ...partial]) {
    await unlink(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    });
  }
  await syncFolder(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

export interface RecoverOptions {
  /** Whose work is gone; this server's by default, which has just started. */
  readonly servers?: readonly string[];
  /** Images whose import goes on: those of jobs that are resumed. */
  readonly keep?: readonly string[];
}

/** What was set right after a crash. */
export interface Recovery {
  readonly removed: readonly Image[];
  /** What cannot be set right now, and why: mostly that its location is not available. To be tried again. */
  readonly waiting: readonly { readonly image: Image; readonly why: string }[];
}

/** Sets right what servers left whose work is gone: half-made images go, deletions are done to their end. */
export async function recoverImages(
  context: CatalogContext,
  { servers = [context.server], keep = [] }: RecoverOptions,
): Promise<Recovery> {
  const removed: Image[] = [];
  const waiting: { image: Image; why: string }[] = [];
  const rows = await context.database
    .selectFrom('images')
    .select('id')
    .where('state', 'in', ['importing', 'deleting'])
    .where('workedBy', 'in', [...servers])
    .orderBy('id')
    .execute();
  // Their jobs are resumed in this process: a later call leaves them alone too.
  for (const id of keep) context.active.add(id);
  for (const { id } of rows.filter((row) => !context.active.has(row.id))) {
    const image = await readImage(id, context.database);
    await recoverImage(context, image).then(
      () => removed.push(image),
      (error: unknown) => waiting.push({ image, why: messageOf(error) }),
    );
  }
  return { removed, waiting };
}

async function recoverImage(context: CatalogContext, image: Image): Promise<void> {
  if (image.state === 'importing') return abandonImage(context, image.id, 'the server ended during it.');
  const location = await context.locations.get(image.locationId);
  // One that was never ready was not deleted by anybody.
  const wasReady = image.readyAt !== undefined;
  const kind = wasReady ? 'image.deleted' : 'image.abandoned';
  const title = titleOf(image);
  const why = image.problem ?? 'the server ended during it.';
  const message = wasReady
    ? `The image ${title} was deleted.`
    : `The import of ${title} came to nothing: ${why}`;
  await inLocation(location, () => removeDeleting(context, image, kind, message));
}

import { sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';
import { readImage } from './image.ts';
import { requireName, requireNotes, requireVersion, searchTextOf, tidyTags } from './image-words.ts';

/**
 * Takes a version of a name: the next one, or a given one. Who is in the same transaction after this is alone with the
 * name until its end.
 */
export async function takeVersion(
  queries: Queries,
  name: string,
  version: number | undefined,
): Promise<number> {
  await queries
    .insertInto('imageNames')
    .values({ name, lastVersion: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const next =
    version === undefined
      ? sql<number>`last_version + 1`
      : sql<number>`case when last_version < ${version} then ${version} else last_version end`;
  const { lastVersion } = await queries
    .updateTable('imageNames')
    .set({ lastVersion: next })
    .where('name', '=', name)
    .returning('lastVersion')
    .executeTakeFirstOrThrow();
  return version ?? lastVersion;
}

/**
 * Changes notes or tags of an image, whatever its state.
 *
 * @throws {UsageError}
 * @throws {RefusedError} `IMAGE_UNKNOWN`
 */
export async function describeImage(
  queries: Queries,
  id: string,
  wishes: { readonly notes?: string | undefined; readonly tags?: readonly string[] | undefined },
): Promise<void> {
  const notes = wishes.notes;
  if (notes !== undefined) requireNotes(notes);
  const tags = wishes.tags === undefined ? undefined : tidyTags(wishes.tags);
  await lockImage(queries, id);
  if (notes !== undefined) await queries.updateTable('images').set({ notes }).where('id', '=', id).execute();
  if (tags !== undefined) await setTags(queries, id, tags);
  await renewSearchText(queries, id);
}

export async function setTags(queries: Queries, imageId: string, tags: readonly string[]): Promise<void> {
  await queries.deleteFrom('imageTags').where('imageId', '=', imageId).execute();
  if (tags.length === 0) return;
  await queries
    .insertInto('imageTags')
    .values(tags.map((tag) => ({ imageId, tag })))
    .execute();
}

/**
 * Gives an image another name and a version of it: the next one, or a given one. The file keeps its name. Nothing happens
 * if it is called so already.
 *
 * @throws {UsageError}
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_EXISTS`
 */
export async function renameImage(
  queries: Queries,
  id: string,
  { name, version: wanted }: { readonly name: string; readonly version?: number | undefined },
): Promise<void> {
  requireName(name, 'an image');
  if (wanted !== undefined) requireVersion(wanted);
  const image = await readImage(id, queries);
  if (name === image.name && (wanted ?? image.version) === image.version) return;
  // The name before the image, as everywhere: two that wait for each other would wait for ever.
  const version = await takeVersion(queries, name, wanted);
  await refuseTaken(queries, name, version);
  await lockImage(queries, id);
  await queries.updateTable('images').set({ name, version }).where('id', '=', id).execute();
  await renewSearchText(queries, id);
}

/**
 * Gives all versions of a name another name, which no image has.
 *
 * @throws {UsageError}
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_EXISTS`
 */
export async function renameSeries(queries: Queries, from: string, to: string): Promise<void> {
  for (const name of [from, to]) requireName(name, 'an image');
  const { lastVersion = 0 } =
    (await queries
      .selectFrom('imageNames')
      .select('lastVersion')
      .where('name', '=', from)
      .executeTakeFirst()) ?? {};
  // In the order of their letters: two that rename to and fro would wait for each other.
  for (const name of [from, to].toSorted()) await takeVersion(queries, name, name === to ? lastVersion : 0);
  await refuseTaken(queries, to);
  const rows = await queries
    .updateTable('images')
    .set({ name: to })
    .where('name', '=', from)
    .returning('id')
    .execute();
  if (rows.length === 0) throw new RefusedError('IMAGE_UNKNOWN', `there is no image with the name ${from}`);
  for (const { id } of rows) await renewSearchText(queries, id);
}

/** @throws {RefusedError} `IMAGE_EXISTS` if an image has that name, and that version if one is given */
export async function refuseTaken(queries: Queries, name: string, version?: number): Promise<void> {
  let query = queries.selectFrom('images').select('id').where('name', '=', name).limit(1);
  if (version !== undefined) query = query.where('version', '=', version);
  if ((await query.executeTakeFirst()) === undefined) return;
  const title = version === undefined ? name : `${name}:${version}`;
  throw new RefusedError(
    'IMAGE_EXISTS',
    `there is an image ${title} already; choose another name or version`,
  );
}

async function renewSearchText(queries: Queries, id: string): Promise<void> {
  const { name, notes, tags } = await readImage(id, queries);
  const searchText = searchTextOf(name, notes, tags);
  await queries.updateTable('images').set({ searchText }).where('id', '=', id).execute();
}

/** Changes of one image come one after the other. */
async function lockImage(queries: Queries, id: string): Promise<void> {
  await queries.updateTable('images').set({ id }).where('id', '=', id).execute();
  await readImage(id, queries);
}

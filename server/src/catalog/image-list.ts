import { sql } from 'kysely';
import { UsageError } from '@diskferry/system/errors';
import type { Database } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';
import { type Image, imagesOf, selectImages } from './image.ts';
import type { ImageState } from './tables.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

/** Which images, in which order. What is absent does not matter. */
export interface ImageWishes {
  /** Exactly this one. */
  readonly name?: string | undefined;
  /** All of these words, somewhere in name, notes or tags, in small letters or large. */
  readonly text?: string | undefined;
  /** All of these. */
  readonly tags?: readonly string[] | undefined;
  /** One of these. */
  readonly states?: readonly ImageState[] | undefined;
  readonly locationId?: string | undefined;
  /** Id of the computer that it was captured from. */
  readonly computer?: string | undefined;
  /** Id of the job that made it. */
  readonly job?: string | undefined;
  /** `newest` first, which is usual, or by `name`, the latest version first. */
  readonly order?: 'newest' | 'name';
  /** Where the page before ended, as it said. */
  readonly after?: string | undefined;
  /** 1 to 1000. */
  readonly limit?: number;
}

export interface ImagePage {
  readonly images: readonly Image[];
  /** How many there are on all pages. */
  readonly total: number;
  /** For the next page; absent on the last one. */
  readonly next?: string;
}

/** @throws {UsageError} for an `after` that no page said */
export async function listImages(database: Database, wishes: ImageWishes): Promise<ImagePage> {
  const { order = 'newest', after, limit = DEFAULT_LIMIT } = wishes;
  const matching = matchingImages(database, wishes);
  const count = await matching
    .clearSelect()
    .select((expression) => expression.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  const wanted = Math.max(1, Math.min(limit, MAX_LIMIT));
  const begun = after === undefined ? matching : beginAfter(matching, order, after);
  const ordered =
    order === 'newest'
      ? begun.orderBy('images.id', 'desc')
      : begun.orderBy('images.name').orderBy('images.version', 'desc');
  const rows = await ordered.limit(wanted + 1).execute();
  const images = await imagesOf(rows.slice(0, wanted), database);
  const last = images.at(-1);
  return {
    images,
    total: count.count,
    ...(rows.length > wanted && last !== undefined ? { next: placeOf(last, order) } : {}),
  };
}

function matchingImages(database: Database, wishes: ImageWishes): ReturnType<typeof selectImages> {
  const { name, text, tags = [], states, locationId, computer, job } = wishes;
  let query = selectImages(database);
  if (name !== undefined) query = query.where('images.name', '=', searchable(name));
  if (states !== undefined) {
    // PostgreSQL takes no empty list.
    query =
      states.length === 0 ? query.where(sql<boolean>`1 = 0`) : query.where('images.state', 'in', [...states]);
  }
  if (locationId !== undefined) query = query.where('images.locationId', '=', searchable(locationId));
  if (computer !== undefined) query = query.where('images.originComputer', '=', searchable(computer));
  if (job !== undefined) query = query.where('images.originJob', '=', searchable(job));
  for (const tag of tags) {
    query = query.where('images.id', 'in', (inner) =>
      inner.selectFrom('imageTags').select('imageId').where('tag', '=', searchable(tag)),
    );
  }
  for (const word of searchable(text ?? '')
    .toLowerCase()
    .split(/\s+/)) {
    if (word !== '') query = query.where(sql<boolean>`images.search_text like ${patternOf(word)} escape '!'`);
  }
  return query;
}

/** PostgreSQL takes no NUL, and no half of a pair of surrogates; nothing that is searched holds one. */
function searchable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\u{fffd}');
}

/** LIKE knows % and _; what they stand for is searched as it is. */
function patternOf(word: string): string {
  return `%${word.replaceAll(/[%_!]/g, '!$&')}%`;
}

function beginAfter(
  query: ReturnType<typeof selectImages>,
  order: 'newest' | 'name',
  after: string,
): ReturnType<typeof selectImages> {
  if (order === 'newest') return query.where('images.id', '<', searchable(after));
  const [, name, version] = /^([^:]+):(\d{1,10})$/.exec(after) ?? [];
  if (name === undefined) throw new UsageError(`"${after}" is not where a page ended`);
  return query.where((expression) =>
    expression.or([
      expression('images.name', '>', searchable(name)),
      expression.and([
        expression('images.name', '=', searchable(name)),
        expression('images.version', '<', Number(version)),
      ]),
    ]),
  );
}

function placeOf({ id, name, version }: Image, order: 'newest' | 'name'): string {
  return order === 'newest' ? id : `${name}:${version}`;
}

/**
 * The image that somebody means by "web:3", or by "web" for its latest version that is ready.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`
 */
export async function findImage(database: Database, title: string): Promise<Image> {
  const [, name = '', version] = /^([^:]*)(?::(\d{1,9}))?$/.exec(title) ?? [];
  const named = selectImages(database).where('images.name', '=', searchable(name));
  const row = await (version === undefined
    ? named.where('images.state', '=', 'ready').orderBy('images.version', 'desc').limit(1)
    : named.where('images.version', '=', Number(version))
  ).executeTakeFirst();
  if (row === undefined) {
    const which = version === undefined ? 'image that is ready with the name' : 'image';
    throw new RefusedError('IMAGE_UNKNOWN', `there is no ${which} ${title}`);
  }
  const [image] = await imagesOf([row], database);
  return image as Image;
}

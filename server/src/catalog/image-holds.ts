import type { Database, Queries } from '../database/database.ts';
import { now } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import { type Image, readImage, titleOf } from './image.ts';

/** Who needs an image, such as `{ kind: 'job', id }`. */
export interface Holder {
  readonly kind: string;
  readonly id: string;
}

/**
 * Keeps an image from being deleted until it is given back. To hold it twice is to hold it once.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`; `IMAGE_STATE` unless it is ready
 */
export async function holdImage(database: Database, imageId: string, holder: Holder): Promise<Image> {
  return database.transaction().execute(async (queries) => {
    // Changing the row makes a deletion of the same moment wait for this transaction, and see the hold.
    const { numUpdatedRows } = await queries
      .updateTable('images')
      .set({ usedAt: now() })
      .where('id', '=', imageId)
      .where('state', '=', 'ready')
      .executeTakeFirst();
    const image = await readImage(imageId, queries);
    if (numUpdatedRows !== 1n) {
      const why = image.problem === undefined ? '' : `: ${image.problem}`;
      throw new RefusedError('IMAGE_STATE', `the image ${titleOf(image)} is ${image.state}${why}`);
    }
    await queries
      .insertInto('imageHolds')
      .values({ imageId, holderKind: holder.kind, holderId: holder.id, at: now() })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    return image;
  });
}

/** Gives back all images of a holder, or one of them. */
export async function releaseImages(
  queries: Queries,
  holder: Holder,
  imageId: string | undefined,
): Promise<void> {
  let query = queries
    .deleteFrom('imageHolds')
    .where('holderKind', '=', holder.kind)
    .where('holderId', '=', holder.id);
  if (imageId !== undefined) query = query.where('imageId', '=', imageId);
  await query.execute();
}

/** Who holds an image. */
export async function holdersOf(queries: Queries, imageId: string): Promise<Holder[]> {
  const rows = await queries
    .selectFrom('imageHolds')
    .selectAll()
    .where('imageId', '=', imageId)
    .orderBy('at')
    .execute();
  return rows.map(({ holderKind, holderId }) => ({ kind: holderKind, id: holderId }));
}

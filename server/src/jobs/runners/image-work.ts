import { IMAGE_FORMATS, type ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { messageOf } from '@diskferry/system/errors';
import { Type } from 'typebox';
import type { Catalog } from '../../catalog/catalog.ts';
import { type Image, type ImageOrigin, titleOf } from '../../catalog/image.ts';
import { RefusedError } from '../../refused-error.ts';
import type { JobWork } from '../job-engine.ts';
import type { Job } from '../job.ts';

/** Words of specs that mean an image, and where and how a new one is made. */
export const IMAGE_WORD = Type.String({
  description: 'id, or name and version such as "web:3"; the latest version if absent',
});
export const LOCATION_WORD = Type.Optional(
  Type.String({ description: 'id or name; the only one if absent' }),
);
export const FORMAT_WORD = Type.Optional(Type.Enum(IMAGE_FORMATS));

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The image that a spec means.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`
 */
export async function imageOf(catalog: Catalog, idOrTitle: string): Promise<Image> {
  return ID.test(idOrTitle) ? catalog.get(idOrTitle) : catalog.find(idOrTitle);
}

/**
 * Works with an image that nobody can delete meanwhile.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_STATE` unless it is ready, `LOCATION_UNAVAILABLE`
 */
export async function withImage<T>(
  catalog: Catalog,
  job: Pick<Job, 'id'>,
  idOrTitle: string,
  work: (image: Image) => Promise<T>,
): Promise<T> {
  const holder = holderOf(job);
  const image = await catalog.hold((await imageOf(catalog, idOrTitle)).id, holder);
  try {
    return await work(image);
  } finally {
    await catalog.release(holder, image.id);
  }
}

/** The images that the job of a dead server held. */
export async function releaseImages(catalog: Catalog, job: Job): Promise<void> {
  await catalog.release(holderOf(job));
}

function holderOf({ id }: Pick<Job, 'id'>): { readonly kind: string; readonly id: string } {
  return { kind: 'job', id };
}

/** What a job says of the image that it makes. */
export interface ImageInTheMaking {
  readonly name: string;
  /** Id or name; the only one if absent. */
  readonly location: string | undefined;
  readonly format: ImageFormat;
  readonly origin: ImageOrigin;
}

/**
 * Makes an image of the catalog; if that fails, nothing of it is left.
 *
 * @param make makes the file
 * @returns what the job tells of it
 * @throws see `Catalog.reserve` and `Catalog.finish`, and `locationOf`
 */
export async function makeImage(
  catalog: Catalog,
  { signal, onProgress, log }: JobWork,
  { location, ...wishes }: ImageInTheMaking,
  make: (path: string) => Promise<void>,
): Promise<Readonly<Record<string, unknown>>> {
  const { id: locationId } = await locationOf(catalog, location);
  const image = await catalog.reserve({ ...wishes, locationId });
  try {
    await make(image.path);
    onProgress({ step: 'check the image' });
    const { virtualSize, sha256 } = await catalog.finish(image.id, { signal });
    return { imageId: image.id, image: titleOf(image), virtualSize, sha256 };
  } catch (error) {
    // Where its location is away, the catalog removes it later.
    await catalog
      .abandon(image.id, 'the job that made it has failed')
      .catch((failure: unknown) => log(messageOf(failure)));
    throw error;
  }
}

/** The image that the job of a dead server was making. */
export async function abandonHalfMade(catalog: Catalog, job: Job): Promise<void> {
  const { images } = await catalog.list({ job: job.id, states: ['importing'] });
  for (const { id } of images) await catalog.abandon(id, 'the server died while it was made');
}

/** @throws {RefusedError} `LOCATION_MISSING`, `LOCATION_UNCLEAR` */
export async function locationOf(
  catalog: Catalog,
  wanted: string | undefined,
): Promise<{ readonly id: string }> {
  const all = await catalog.locations.list();
  const names = all.map(({ name }) => name).join(', ') || 'none';
  if (wanted !== undefined) {
    const found = all.find(({ id, name }) => id === wanted || name === wanted);
    if (found !== undefined) return found;
    throw new RefusedError('LOCATION_MISSING', `there is no location ${wanted}; there are: ${names}`);
  }
  const [location, ...others] = all;
  if (location !== undefined && others.length === 0) return location;
  throw new RefusedError('LOCATION_UNCLEAR', `say in which location the image shall be; there are: ${names}`);
}

import type { ApiImage, ApiLocation } from '../api/routes/images.ts';
import { RefusedError } from '../refused-error.ts';
import type { ApiClient } from './api-client.ts';

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const TITLE = /^([^:]+)(?::(\d+))?$/;
/** More versions than anybody keeps of one image. */
const MAX_VERSIONS = 1000;

/**
 * The image that a user means by an id, by name and version such as "web:3", or by a name, for its latest version that is
 * ready; if none is, for its latest one.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`
 */
export async function findImage(client: ApiClient, text: string): Promise<ApiImage> {
  const [latest, ...older] = await imagesCalled(client, text);
  return [latest, ...older].find(({ state }) => state === 'ready') ?? latest;
}

/**
 * The same where there is no way back: a name is not enough if it has several versions.
 *
 * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_UNCLEAR`
 */
export async function findOnlyImage(client: ApiClient, text: string): Promise<ApiImage> {
  const [image, ...others] = await imagesCalled(client, text);
  if (others.length === 0) return image;
  const titles = [image, ...others].map(({ name, version }) => `${name}:${version}`).join(', ');
  throw new RefusedError('IMAGE_UNCLEAR', `say which version is meant: ${titles}`);
}

/** Latest first. @throws {RefusedError} `IMAGE_UNKNOWN` */
async function imagesCalled(client: ApiClient, text: string): Promise<[ApiImage, ...ApiImage[]]> {
  if (ID.test(text)) return [await client.call('image', { id: text })];
  const [, name, version] = TITLE.exec(text) ?? [];
  if (name === undefined) throw missing(client, text);
  const { images } = await client.call('images', { query: { name, limit: MAX_VERSIONS } });
  const all = images.toSorted((a, b) => b.version - a.version);
  const meant = version === undefined ? all : all.filter((image) => image.version === Number(version));
  const [first, ...others] = meant;
  if (first !== undefined) return [first, ...others];
  const [latest] = all;
  throw missing(client, text, latest === undefined ? undefined : `${latest.name}:${latest.version}`);
}

function missing(client: ApiClient, text: string, latest?: string): RefusedError {
  const advice = latest === undefined ? 'see diskferry images' : `the latest of that name is ${latest}`;
  return new RefusedError('IMAGE_UNKNOWN', `${client.name} has no image ${text}; ${advice}`);
}

/**
 * The location that a user means by an id or a name.
 *
 * @throws {RefusedError} `LOCATION_MISSING`
 */
export async function findLocation(client: ApiClient, text: string): Promise<ApiLocation> {
  const all = await client.call('locations');
  const found = all.find(({ id, name }) => id === text || name === text);
  if (found !== undefined) return found;
  const names = all.map(({ name }) => name).join(', ') || 'none';
  throw new RefusedError('LOCATION_MISSING', `${client.name} has no location ${text}; it has: ${names}`);
}

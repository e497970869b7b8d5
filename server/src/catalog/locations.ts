import { readdir, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative } from 'node:path';
import { messageOf, UsageError } from '@diskferry/system/errors';
import type { Database, Queries } from '../database/database.ts';
import { newId, now } from '../database/rows.ts';
import type { EventLog } from '../events/event-log.ts';
import { RefusedError } from '../refused-error.ts';
import { requireName } from './image-words.ts';
import {
  freeBytes,
  inLocation,
  isAvailable,
  MARKER,
  readMarker,
  removeMarker,
  tryToWrite,
  writeMarker,
} from './location-folder.ts';
import type { LocationRow } from './tables.ts';

/** Folders in folders are looked through so deep for files that could be imported, and so many files are told. */
const MAX_DEPTH = 4;
const MAX_UNLISTED = 1000;

/** A folder with images. */
export interface Location {
  readonly id: string;
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  readonly createdAt: string;
  /** Whether it was there when this server last looked at it. */
  readonly available: boolean;
}

export interface NewLocation {
  readonly name: string;
  readonly folder: string;
  /** Use a folder that is marked as that of a location which this server does not know, such as one of a lost database. */
  readonly takeOver?: boolean;
}

/** A file in the folder of a location that is no image of the catalog. */
export interface UnlistedFile {
  /** Path within the folder. */
  readonly file: string;
  readonly bytes: number;
  /** ISO 8601. */
  readonly modifiedAt: string;
}

export interface LocationsOptions {
  readonly database: Database;
  readonly events: EventLog;
  /** Which server looks at them. */
  readonly server: string;
}

/** The folders in which the images are. */
export class Locations {
  readonly #database: Database;
  readonly #events: EventLog;
  readonly #server: string;

  constructor({ database, events, server }: LocationsOptions) {
    this.#database = database;
    this.#events = events;
    this.#server = server;
  }

  /**
   * Makes a folder a location, after a look whether it is there and can be written to. It gets a hidden file by which it
   * is known from then on.
   *
   * @throws {UsageError} for a name or path that cannot be
   * @throws {RefusedError} `LOCATION_EXISTS`, `LOCATION_UNUSABLE`, `LOCATION_MARKED`
   */
  async add({ name, folder, takeOver = false }: NewLocation): Promise<Location> {
    requireName(name, 'a location');
    const path = await requireFolder(folder);
    await this.#refuseOverlap(name, path);
    const marked = await readMarker(path);
    if (marked !== undefined && (!takeOver || (await this.#isKnown(marked)))) {
      throw new RefusedError(
        'LOCATION_MARKED',
        `${path} is in use as a location of another server or database (${marked}, in ${MARKER}). If that one is gone for ` +
          'good, ask to take it over',
      );
    }
    const row: LocationRow = { id: newId(), name, folder: path, createdAt: now() };
    // The marker first: without it, the location would be there and could not be used.
    await writeMarker(path, row.id);
    const isNew = await this.#database.transaction().execute(async (queries) => {
      const { numInsertedOrUpdatedRows } = await queries
        .insertInto('imageLocations')
        .values(row)
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      if (numInsertedOrUpdatedRows !== 1n) return false;
      await this.#tell(row, 'added', 'info', `The folder ${path} is the location ${name}.`, queries);
      return true;
    });
    if (isNew) return { ...row, available: true };
    await this.#giveBack(path);
    throw exists(name, path);
  }

  /** By name. */
  async list(): Promise<Location[]> {
    const rows = await this.#select().orderBy('name').execute();
    return rows.map(locationOf);
  }

  /** @throws {RefusedError} `LOCATION_MISSING` */
  async get(id: string): Promise<Location> {
    const row = await this.#select().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new RefusedError('LOCATION_MISSING', `there is no location ${id}`);
    return locationOf(row);
  }

  /**
   * Forgets a location that has no images. Its folder stays.
   *
   * @throws {RefusedError} `LOCATION_IN_USE`, `LOCATION_MISSING`
   */
  async remove(id: string): Promise<void> {
    const location = await this.get(id);
    await this.#database.transaction().execute(async (queries) => {
      const images = await queries
        .selectFrom('images')
        .select((expression) => expression.fn.countAll<number>().as('count'))
        .where('locationId', '=', id)
        .executeTakeFirstOrThrow();
      if (images.count > 0) {
        throw new RefusedError(
          'LOCATION_IN_USE',
          `the location ${location.name} has ${images.count} images; delete or forget them first`,
        );
      }
      await queries.deleteFrom('imageLocations').where('id', '=', id).execute();
    });
    await removeMarker(location);
  }

  /**
   * Looks whether a location is there, and raises an event if that has changed.
   *
   * @returns the location as it is, with the bytes that can be written to it; without them if it is not there
   * @throws {RefusedError} `LOCATION_MISSING`
   */
  async look(id: string): Promise<Location & { readonly freeBytes?: number }> {
    const location = await this.get(id);
    const available = await isAvailable(location);
    await this.#note(location, available);
    return {
      ...location,
      available,
      ...(available ? { freeBytes: await freeBytes(location.folder) } : {}),
    };
  }

  /** The files of a location that could be imported where they are: the first thousand by name, none that is hidden. */
  async unlisted(id: string): Promise<UnlistedFile[]> {
    const location = await this.get(id);
    const images = await this.#database
      .selectFrom('images')
      .select('file')
      .where('locationId', '=', id)
      .execute();
    const listed = new Set(images.map(({ file }) => file));
    const files = await inLocation(location, () => filesIn(location.folder, '', MAX_DEPTH));
    const unlisted = files.filter((file) => !listed.has(file)).toSorted();
    const found = await Promise.all(unlisted.slice(0, MAX_UNLISTED).map((file) => factsOf(location, file)));
    return found.filter((file) => file !== undefined);
  }

  #select() {
    return this.#database
      .selectFrom('imageLocations')
      .leftJoin('imageLocationViews', (join) =>
        join
          .onRef('imageLocationViews.locationId', '=', 'imageLocations.id')
          .on('imageLocationViews.server', '=', this.#server),
      )
      .selectAll('imageLocations')
      .select('imageLocationViews.available');
  }

  async #isKnown(id: string): Promise<boolean> {
    return (await this.list()).some((location) => location.id === id);
  }

  /** The marker is that of whoever was faster with the same name or folder. */
  async #giveBack(path: string): Promise<void> {
    const other = (await this.list()).find(({ folder }) => folder === path);
    await (other === undefined ? rm(join(path, MARKER), { force: true }) : writeMarker(path, other.id));
  }

  async #note(location: Location, available: boolean): Promise<void> {
    await this.#database.transaction().execute(async (queries) => {
      const { id: locationId } = location;
      await queries
        .insertInto('imageLocationViews')
        .values({ locationId, server: this.#server, available: 1 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const { numUpdatedRows } = await queries
        .updateTable('imageLocationViews')
        .set({ available: available ? 1 : 0 })
        .where('locationId', '=', locationId)
        .where('server', '=', this.#server)
        .where('available', '=', available ? 0 : 1)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) return;
      const { name, folder } = location;
      await (available
        ? this.#tell(location, 'available', 'info', `The location ${name} is there again.`, queries)
        : this.#tell(location, 'unavailable', 'alert', sentence(name, folder), queries));
    });
  }

  async #refuseOverlap(name: string, path: string): Promise<void> {
    for (const other of await this.list()) {
      if (other.name === name || other.folder === path) throw exists(name, path);
      if (isWithin(path, other.folder) || isWithin(other.folder, path)) {
        throw new RefusedError(
          'LOCATION_EXISTS',
          `${path} and the folder of the location ${other.name}, ${other.folder}, are one in the other; choose another one`,
        );
      }
    }
  }

  async #tell(
    { id }: Pick<LocationRow, 'id'>,
    what: string,
    severity: 'info' | 'alert',
    message: string,
    queries: Queries,
  ): Promise<void> {
    const subject = { kind: 'location', id };
    await this.#events.add({ kind: `location.${what}`, severity, subject, message }, queries);
  }
}

async function requireFolder(folder: string): Promise<string> {
  if (!isAbsolute(folder) || folder.includes('\0')) {
    throw new UsageError(
      `"${folder}" is no folder of this server; write its whole path, such as /srv/images`,
    );
  }
  // As it is named, if it is reached by a link: that may lead to another disk later.
  const path = normalize(folder).replace(/(?<=.)\/+$/, '');
  if (path === '/') throw new UsageError('the folder of a location cannot be /');
  try {
    if (!(await stat(path)).isDirectory()) throw new Error('it is no folder');
    await tryToWrite(path);
  } catch (cause) {
    throw new RefusedError(
      'LOCATION_UNUSABLE',
      `${path} cannot be a location: ${messageOf(cause)}; make the folder, mount its share, and let root write to it`,
      { cause },
    );
  }
  return path;
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../');
}

function exists(name: string, path: string): RefusedError {
  return new RefusedError(
    'LOCATION_EXISTS',
    `there is a location of the name ${name} or with the folder ${path} already`,
  );
}

function sentence(name: string, folder: string): string {
  return `The location ${name} is missing: ${folder} is not there, or its share is not mounted.`;
}

async function filesIn(root: string, folder: string, depth: number): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    if (entry.name.startsWith('.') || found.length > MAX_UNLISTED * 2) continue;
    const name = join(folder, entry.name);
    if (entry.isFile()) found.push(name);
    if (entry.isDirectory() && depth > 1) found.push(...(await filesIn(root, name, depth - 1)));
  }
  return found;
}

async function factsOf({ folder }: Location, file: string): Promise<UnlistedFile | undefined> {
  const stats = await stat(join(folder, file)).catch(() => undefined);
  return stats && { file, bytes: stats.size, modifiedAt: stats.mtime.toISOString() };
}

/** One that this server has not looked at yet is taken to be there. */
function locationOf({ available, ...row }: LocationRow & { available: number | null }): Location {
  return { ...row, available: available !== 0 };
}

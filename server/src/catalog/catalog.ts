import { DiskferryError } from '@diskferry/system/errors';
import type { Database, Queries } from '../database/database.ts';
import type { EventLog } from '../events/event-log.ts';
import { type CatalogContext, subjectOf, type WorkOptions } from './catalog-context.ts';
import { type CheckOptions, checkImage } from './check-image.ts';
import { type Image, readImage, titleOf } from './image.ts';
import { describeImage, renameImage, renameSeries } from './image-changes.ts';
import { type Holder, holdersOf, holdImage, releaseImages } from './image-holds.ts';
import { findImage, type ImagePage, type ImageWishes, listImages } from './image-list.ts';
import {
  abandonImage,
  deleteImage,
  forgetImage,
  type RecoverOptions,
  type Recovery,
  recoverImages,
} from './image-removal.ts';
import { Locations } from './locations.ts';
import {
  finishImage,
  importImage,
  type ImportWishes,
  type ReserveWishes,
  reserveImage,
} from './new-images.ts';

export interface CatalogOptions {
  readonly database: Database;
  readonly events: EventLog;
  /** Which server this is: the same after a restart, and another for each server of the database. */
  readonly server: string;
}

/**
 * The template images, and the folders in which they are. An image is ready only after its file has passed its check, and
 * what a crash leaves half-made is never taken for one: rows are written before files are made, and removed after them.
 *
 * Errors: `UsageError` for words that cannot be; `RefusedError` where nothing was done, with a code that each method names.
 */
export class Catalog {
  readonly locations: Locations;
  readonly #context: CatalogContext;

  constructor({ database, events, server }: CatalogOptions) {
    this.locations = new Locations({ database, events, server });
    this.#context = { database, events, server, locations: this.locations, active: new Set() };
  }

  /** A page of images. */
  async list(wishes: ImageWishes = {}): Promise<ImagePage> {
    return listImages(this.#context.database, wishes);
  }

  /** @throws {RefusedError} `IMAGE_UNKNOWN` */
  async get(id: string): Promise<Image> {
    return readImage(id, this.#context.database);
  }

  /**
   * The image that "web:3" means, or "web": its latest version that is ready.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`
   */
  async find(title: string): Promise<Image> {
    return findImage(this.#context.database, title);
  }

  /**
   * Makes room for an image that a job is going to make at `path` of the result, where nothing is yet.
   *
   * @throws {RefusedError} `IMAGE_EXISTS`, `LOCATION_MISSING`, `LOCATION_UNAVAILABLE`
   */
  async reserve(wishes: ReserveWishes): Promise<Image> {
    return reserveImage(this.#context, wishes);
  }

  /**
   * Checks the file of a reserved image and makes it ready, in one transaction with its event. If it fails, the image stays
   * reserved: finish it again, or abandon it.
   *
   * @param options `sectorSize` in bytes, by default that of its partition table
   * @throws {ImageError} `IMAGE_DAMAGED`, `IMAGE_FORMAT`, `IMAGE_IN_USE`
   * @throws {RefusedError} `FILE_MISSING`, `LOCATION_UNAVAILABLE`; `IMAGE_STATE` also if another server was faster
   * @throws the reason of the signal
   */
  async finish(
    id: string,
    options: WorkOptions & { readonly sectorSize?: number | undefined } = {},
  ): Promise<Image> {
    return finishImage(this.#context, id, options);
  }

  /**
   * Ends an import: the image goes with what was made of it.
   *
   * @param why the end of a sentence, for the event
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `LOCATION_UNAVAILABLE`; `IMAGE_STATE` if it is ready or being deleted
   */
  async abandon(id: string, why: string): Promise<void> {
    await abandonImage(this.#context, id, why);
  }

  /**
   * Brings a virtual disk file of a location into the catalog, where it is or as a copy.
   *
   * @throws see `importImage`; nothing of the image is left then
   */
  async import(wishes: ImportWishes, options: WorkOptions = {}): Promise<Image> {
    return importImage(this.#context, wishes, options);
  }

  /**
   * Compares an image with what is known of it: ready, damaged or missing after that.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_STATE`, `LOCATION_UNAVAILABLE`
   * @throws {DiskferryError} `IMAGE_IN_USE`, `FILE_CHANGED` when a program writes to it now
   */
  async check(id: string, options: CheckOptions = {}): Promise<Image> {
    return checkImage(this.#context, id, options);
  }

  /**
   * Changes notes or tags.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`
   */
  async describe(
    id: string,
    wishes: { readonly notes?: string | undefined; readonly tags?: readonly string[] | undefined },
  ): Promise<Image> {
    return this.#change(id, (queries) => describeImage(queries, id, wishes));
  }

  /**
   * Gives one image another name, and there the next version or a given one.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_EXISTS`
   */
  async rename(
    id: string,
    wishes: { readonly name: string; readonly version?: number | undefined },
  ): Promise<Image> {
    return this.#change(id, (queries) => renameImage(queries, id, wishes));
  }

  /**
   * Gives all versions of a name another name.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_EXISTS`
   */
  async renameAll(from: string, to: string): Promise<void> {
    const { database, events } = this.#context;
    await database.transaction().execute(async (queries) => {
      await renameSeries(queries, from, to);
      const message = `The images ${from} are called ${to} now.`;
      await events.add({ kind: 'image.changed', message, data: { from, to } }, queries);
    });
  }

  /**
   * Keeps an image from being deleted until it is released, and tells where it is: after a look whether it is there, and as
   * long as it was.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_STATE`, `LOCATION_UNAVAILABLE`
   */
  async hold(imageId: string, holder: Holder): Promise<Image> {
    if ((await this.get(imageId)).state === 'ready') await this.check(imageId, { quick: true });
    return holdImage(this.#context.database, imageId, holder);
  }

  /** Gives back one image, or all that somebody holds. */
  async release(holder: Holder, imageId?: string): Promise<void> {
    await releaseImages(this.#context.database, holder, imageId);
  }

  /** Who keeps an image from being deleted. */
  async holders(imageId: string): Promise<Holder[]> {
    return holdersOf(this.#context.database, imageId);
  }

  /**
   * Deletes an image with its file.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_IN_USE`, `IMAGE_STATE`, `LOCATION_UNAVAILABLE`
   */
  async delete(id: string): Promise<void> {
    await deleteImage(this.#context, id);
  }

  /**
   * Takes an image out of the catalog and leaves its file alone.
   *
   * @throws {RefusedError} `IMAGE_UNKNOWN`, `IMAGE_IN_USE`, `IMAGE_STATE`
   */
  async forget(id: string): Promise<void> {
    await forgetImage(this.#context, id);
  }

  /**
   * To be called at the start, before any work: sets right what a killed server left. What waits is tried again by calling
   * it again at any time: what this process works on is left alone.
   */
  async recover(options: RecoverOptions = {}): Promise<Recovery> {
    return recoverImages(this.#context, options);
  }

  /**
   * Looks at all locations and the files of all images that are ready, as far as it takes no time: what is missing raises an
   * alert, and what waited for a location is set right. To be called from time to time, in one place at a time.
   */
  async look(signal?: AbortSignal): Promise<void> {
    for (const { id } of await this.locations.list()) {
      const { available } = await this.locations.look(id);
      if (available) await this.#lookAtImages(id, signal);
    }
    await this.recover();
  }

  async #lookAtImages(locationId: string, signal: AbortSignal | undefined): Promise<void> {
    let after: string | undefined;
    do {
      const page = await this.list({ locationId, states: ['ready'], after });
      for (const { id } of page.images) {
        signal?.throwIfAborted();
        // Deleted meanwhile, or its location went away: that is told by the next look.
        await this.check(id, { quick: true }).catch((error: unknown) => {
          if (!(error instanceof DiskferryError)) throw error;
        });
      }
      after = page.next;
    } while (after !== undefined);
  }

  async #change(id: string, work: (queries: Queries) => Promise<void>): Promise<Image> {
    const { database, events } = this.#context;
    return database.transaction().execute(async (queries) => {
      await work(queries);
      const image = await readImage(id, queries);
      const message = `What is said of the image ${titleOf(image)} was changed.`;
      await events.add({ kind: 'image.changed', subject: subjectOf(image), message }, queries);
      return image;
    });
  }
}

import { ImageError } from '@diskferry/server-adapter/image/image-error';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { now } from '../database/rows.ts';
import { RefusedError } from '../refused-error.ts';
import { type CatalogContext, subjectOf, type WorkOptions, wrongState } from './catalog-context.ts';
import { openContained } from './contained-file.ts';
import { digestFile } from './digest-file.ts';
import { type Image, readImage, titleOf } from './image.ts';
import { SETTLED } from './image-removal.ts';
import { inLocation } from './location-folder.ts';
import { examineImage } from './qemu-image.ts';
import type { Location } from './locations.ts';

export interface CheckOptions extends WorkOptions {
  /** Only whether the file is there in its length, which takes no time. An image that is not ready is read in any case. */
  readonly quick?: boolean;
}

interface Finding {
  readonly state: 'ready' | 'damaged' | 'missing';
  readonly problem: string | null;
}

const SOUND: Finding = { state: 'ready', problem: null };

/**
 * Compares an image with what the catalog knows of it, and writes down what it finds: it is ready, damaged or missing. An
 * image that is no more what it was, or is again, raises an event.
 *
 * @throws {RefusedError} `LOCATION_UNAVAILABLE`, which says nothing of the image; `IMAGE_UNKNOWN`, `IMAGE_STATE`
 * @throws {ImageError} `IMAGE_IN_USE` when another program writes to it
 * @throws {DiskferryError} `FILE_CHANGED` likewise
 */
export async function checkImage(context: CatalogContext, id: string, options: CheckOptions): Promise<Image> {
  const image = await readImage(id, context.database);
  if (!SETTLED.includes(image.state)) throw wrongState(image, 'checked');
  const location = await context.locations.get(image.locationId);
  const isQuick = options.quick === true && image.state === 'ready';
  const finding = await inLocation(location, async () => {
    try {
      return await examine(image, location, isQuick, options);
    } catch (error) {
      // A share that went away meanwhile: then this throws that, and nothing is said of the image.
      await inLocation(location, async () => {});
      return findingOf(error, options.signal);
    }
  });
  options.signal?.throwIfAborted();
  return writeFinding(context, image, finding, isQuick);
}

async function examine(
  image: Image,
  { folder }: Location,
  isQuick: boolean,
  options: WorkOptions,
): Promise<Finding> {
  await using file = await openContained(folder, image.file);
  const { size } = file.stats;
  if (size !== image.fileSize) return damaged(`its file has ${size} bytes, it had ${image.fileSize}`);
  if (isQuick) return SOUND;
  const onProgress = options.onProgress && ((bytes: number) => options.onProgress?.(bytes, size));
  const { sha256 } = await digestFile(file.handle, { signal: options.signal, onProgress });
  if (sha256 !== image.sha256) return damaged('its file was changed: it has another checksum than before');
  // Not before the checksum: only what passed all refusals once is given to other programs.
  await examineImage(image.path, image.format, options.signal);
  return SOUND;
}

function damaged(problem: string): Finding {
  return { state: 'damaged', problem };
}

/** What an error says of the image. Errors that say nothing of it are thrown on. */
function findingOf(error: unknown, signal: AbortSignal | undefined): Finding {
  signal?.throwIfAborted();
  if (error instanceof RefusedError && error.code === 'FILE_MISSING') {
    return { state: 'missing', problem: error.message };
  }
  if (error instanceof RefusedError) return damaged(error.message);
  if (error instanceof ImageError && error.code === 'IMAGE_DAMAGED') return damaged(error.message);
  if (error instanceof DiskferryError) throw error;
  if ((error as NodeJS.ErrnoException).code === 'EIO') {
    return damaged(`its file cannot be read: ${messageOf(error)}`);
  }
  throw error;
}

async function writeFinding(
  { database, events }: CatalogContext,
  image: Image,
  { state, problem }: Finding,
  isQuick: boolean,
): Promise<Image> {
  return database.transaction().execute(async (queries) => {
    const { numUpdatedRows } = await queries
      .updateTable('images')
      .set({ state, problem, ...(isQuick ? {} : { checkedAt: now() }) })
      .where('id', '=', image.id)
      // Else somebody deletes it, or another check was faster.
      .where('state', '=', image.state)
      .executeTakeFirst();
    const after = await readImage(image.id, queries);
    if (numUpdatedRows !== 1n || state === image.state) return after;
    const title = titleOf(image);
    const news =
      state === 'ready'
        ? { kind: 'image.restored', message: `The image ${title} is sound again.` }
        : {
            kind: `image.${state}`,
            severity: 'alert' as const,
            message: `The image ${title} is ${state}: ${problem}.`,
          };
    await events.add({ ...news, subject: subjectOf(image) }, queries);
    return after;
  });
}

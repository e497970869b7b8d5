import { DiskferryError } from '@diskferry/system/errors';
import type { Database } from '../database/database.ts';
import type { EventLog } from '../events/event-log.ts';
import { RefusedError } from '../refused-error.ts';
import { type Image, titleOf } from './image.ts';
import type { Locations } from './locations.ts';

/** What the parts of the catalog share. */
export interface CatalogContext {
  readonly database: Database;
  readonly events: EventLog;
  /** Known to the other servers of the database, and the same after a restart. */
  readonly server: string;
  readonly locations: Locations;
  /** Ids of the images that this process imports now. What is in it is not taken for the remains of a crash. */
  readonly active: Set<string>;
}

/** Work that can be watched and ended. */
export interface WorkOptions {
  /** Called with how many bytes of the file are done, some times a second. */
  readonly onProgress?: ((bytes: number, of: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export function subjectOf({ id }: Pick<Image, 'id'>): { kind: string; id: string } {
  return { kind: 'image', id };
}

/** Refuses work that does not fit the state of an image, such as when another server was faster. */
export function wrongState(image: Pick<Image, 'name' | 'version' | 'state'>, wanted: string): RefusedError {
  return new RefusedError(
    'IMAGE_STATE',
    `the image ${titleOf(image)} is ${image.state}, so it cannot be ${wanted}`,
  );
}

/** What a failure to write means, in a sentence; other errors as they are. */
export function explainFull(error: unknown, folder: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new DiskferryError(
    'LOCATION_FULL',
    `the folder ${folder} is full; delete images, or choose another location`,
    { cause: error },
  );
}

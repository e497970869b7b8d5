import { join } from 'node:path';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import type { Queries } from '../database/database.ts';
import { RefusedError } from '../refused-error.ts';
import type { Arrival, ImageRow, ImageState } from './tables.ts';

/** How an image came to be. */
export interface ImageOrigin {
  /** "capture", "convert", "import", "upload", ... */
  readonly kind: string;
  /** Id of the computer. */
  readonly computer?: string | undefined;
  /** Its disk, such as "nvme0n1" or a serial number. */
  readonly disk?: string | undefined;
  /** Id of the job. */
  readonly job?: string | undefined;
  /** The file it was imported from. */
  readonly path?: string | undefined;
}

/** A template image. */
export interface Image {
  readonly id: string;
  readonly name: string;
  /** A number within the name, from 1. */
  readonly version: number;
  readonly state: ImageState;
  readonly arrival: Arrival;
  readonly locationId: string;
  /** Path within the folder of the location. */
  readonly file: string;
  /** Absolute. */
  readonly path: string;
  readonly format: ImageFormat;
  /** What a computer sees, in bytes. Absent until it is ready, like the other sizes. */
  readonly virtualSize?: number;
  /** What the file takes on its disk, holes not counted, in bytes. */
  readonly allocatedSize?: number;
  /** Length of the file, in bytes. */
  readonly fileSize?: number;
  /** Of the file, hexadecimal. */
  readonly sha256?: string;
  /** For which the partition table is made, in bytes. */
  readonly sectorSize?: number;
  readonly origin: ImageOrigin;
  readonly notes: string;
  readonly tags: readonly string[];
  readonly createdAt: string;
  readonly readyAt?: string;
  /** When it was last compared with its checksum. */
  readonly checkedAt?: string;
  readonly usedAt?: string;
  /** Why it is damaged or missing. */
  readonly problem?: string;
}

/** Reads an image. */
export async function readImage(id: string, queries: Queries): Promise<Image> {
  const found = await selectImages(queries).where('images.id', '=', id).executeTakeFirst();
  if (found === undefined) throw new RefusedError('IMAGE_UNKNOWN', `there is no image ${id}`);
  const [image] = await imagesOf([found], queries);
  return image as Image;
}

/** Images with the folders of their locations. */
export function selectImages(queries: Queries) {
  return queries
    .selectFrom('images')
    .innerJoin('imageLocations', 'imageLocations.id', 'images.locationId')
    .selectAll('images')
    .select('imageLocations.folder');
}

/** Rows as they are shown, with their tags. */
export async function imagesOf(
  rows: readonly (ImageRow & { readonly folder: string })[],
  queries: Queries,
): Promise<Image[]> {
  const ids = rows.map(({ id }) => id);
  const tags =
    ids.length === 0
      ? []
      : await queries
          .selectFrom('imageTags')
          .selectAll()
          .where('imageId', 'in', ids)
          .orderBy('tag')
          .execute();
  const byImage = Map.groupBy(tags, ({ imageId }) => imageId);
  return rows.map((row) =>
    imageOf(
      row,
      (byImage.get(row.id) ?? []).map(({ tag }) => tag),
    ),
  );
}

function imageOf(row: ImageRow & { readonly folder: string }, tags: readonly string[]): Image {
  const { id, name, version, state, arrival, locationId, file, format, notes, createdAt } = row;
  const optional = {
    virtualSize: row.virtualSize,
    allocatedSize: row.allocatedSize,
    fileSize: row.fileSize,
    sha256: row.sha256,
    sectorSize: row.sectorSize,
    readyAt: row.readyAt,
    checkedAt: row.checkedAt,
    usedAt: row.usedAt,
    problem: row.problem,
  };
  const origin = {
    computer: row.originComputer,
    disk: row.originDisk,
    job: row.originJob,
    path: row.originPath,
  };
  return {
    id,
    name,
    version,
    state,
    arrival,
    locationId,
    file,
    path: join(row.folder, file),
    format,
    notes,
    tags,
    createdAt,
    origin: { kind: row.originKind, ...withoutNull(origin) },
    ...withoutNull(optional),
  };
}

/** How an image is called: by name and version, as it is named in commands too. */
export function titleOf({ name, version }: Pick<Image, 'name' | 'version'>): string {
  return `${name}:${version}`;
}

type WithoutNull<T> = { readonly [K in keyof T]?: NonNullable<T[K]> };

function withoutNull<T extends object>(facts: T): WithoutNull<T> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== null)) as WithoutNull<T>;
}

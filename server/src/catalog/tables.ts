import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';

export interface CatalogTables {
  readonly imageLocations: LocationRow;
  readonly imageLocationViews: LocationViewRow;
  readonly imageNames: ImageNameRow;
  readonly images: ImageRow;
  readonly imageTags: ImageTagRow;
  readonly imageHolds: ImageHoldRow;
}

/** A folder with images: of this server, or of a share. */
export interface LocationRow {
  /** Also in the marker file of the folder. */
  readonly id: string;
  readonly name: string;
  readonly folder: string;
  readonly createdAt: string;
}

/** A location as one server sees it: the folder of one may be nowhere on another. */
export interface LocationViewRow {
  readonly locationId: string;
  readonly server: string;
  /** Whether it was there when it was last looked at; 1 or 0. */
  readonly available: number;
}

/** A name that an image has or had. Numbers of versions are not given twice. */
export interface ImageNameRow {
  readonly name: string;
  readonly lastVersion: number;
}

/**
 * `importing`: its file is being made, or read for the first time; `ready`: it has passed its check; `damaged`,
 * `missing`: it did once; `deleting`: its file is being removed, also after an import that came to nothing.
 */
export const IMAGE_STATES = ['importing', 'ready', 'damaged', 'missing', 'deleting'] as const;
export type ImageState = (typeof IMAGE_STATES)[number];

/**
 * `made`: by a job of this server, at the path that was reserved; `copied`: from another file; `adopted`: the file was in
 * the folder before, so it stays if the import comes to nothing.
 */
export type Arrival = 'made' | 'copied' | 'adopted';

export interface ImageRow {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly state: ImageState;
  readonly arrival: Arrival;
  /** The server that imports or deletes it; null if none does. */
  readonly workedBy: string | null;
  readonly locationId: string;
  /** Path within the folder of the location. */
  readonly file: string;
  readonly format: ImageFormat;
  /** Bytes, as all sizes. Null until it is ready. */
  readonly virtualSize: number | null;
  readonly allocatedSize: number | null;
  /** Length of the file. */
  readonly fileSize: number | null;
  /** Of the file, hexadecimal. */
  readonly sha256: string | null;
  readonly sectorSize: number | null;
  readonly originKind: string;
  readonly originComputer: string | null;
  readonly originDisk: string | null;
  readonly originJob: string | null;
  readonly originPath: string | null;
  readonly notes: string;
  /** Name, notes and tags in small letters, to search in. */
  readonly searchText: string;
  readonly createdAt: string;
  readonly readyAt: string | null;
  /** When it was last compared with its checksum. */
  readonly checkedAt: string | null;
  /** When somebody last held it, such as for a deploy. */
  readonly usedAt: string | null;
  /** Why it is damaged or missing, in a sentence. */
  readonly problem: string | null;
}

export interface ImageTagRow {
  readonly imageId: string;
  readonly tag: string;
}

/** Somebody needs the image: it is not deleted. */
export interface ImageHoldRow {
  readonly imageId: string;
  readonly holderKind: string;
  readonly holderId: string;
  readonly at: string;
}

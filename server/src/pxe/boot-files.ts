import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { RefusedError } from '../refused-error.ts';

/** Something that machines load: files, one after the other. */
export interface ServedFile {
  readonly parts: readonly string[];
  readonly bytes: number;
}

export interface BootFiles {
  readonly kernel: ServedFile;
  readonly initrd: ServedFile;
}

/** The kernel looks for the next archive of an initrd at a multiple of this. */
const ALIGNMENT = 4;

/**
 * The files of the secondary OS, as `npm run build` makes them. The kernel unpacks all archives of an initrd, so that further
 * ones simply follow. Look for them at each use: a build may have replaced them.
 *
 * @param appended archives that are added to the initrd
 * @throws {RefusedError} `NOT_BUILT`, `INITRD_DAMAGED` when one ends where no other may follow
 */
export function findBootFiles(folder: string, appended: readonly string[] = []): BootFiles {
  const initrd = servedFile([join(folder, 'initrd'), ...appended]);
  return { kernel: servedFile([join(folder, 'vmlinuz')]), initrd };
}

/** @throws {RefusedError} `NOT_BUILT`, `INITRD_DAMAGED` */
export function servedFile(parts: readonly string[]): ServedFile {
  const sizes = parts.map(sizeOf);
  const odd = sizes.slice(0, -1).findIndex((size) => size % ALIGNMENT !== 0);
  if (odd >= 0) {
    throw new RefusedError(
      'INITRD_DAMAGED',
      `${parts[odd]} has ${sizes[odd]} bytes, which is no multiple of ${ALIGNMENT}: it was cut; build it again`,
    );
  }
  return { parts, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

/** The bytes of all parts. */
export function readServedFile({ parts }: ServedFile): Readable {
  return Readable.from(piecesOf(parts), { objectMode: false });
}

async function* piecesOf(parts: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of parts) yield* createReadStream(path) as AsyncIterable<Buffer>;
}

function sizeOf(path: string): number {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts?.isFile() === true) return facts.size;
  throw new RefusedError(
    'NOT_BUILT',
    `${path} is missing: make it with "npm run build", or name the folder of vmlinuz and initrd by --files`,
  );
}

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { tableSectorSize } from '@diskferry/server-adapter/partitions/table-sector-size';
import { explainImageFailure, ImageError } from '@diskferry/server-adapter/image/image-error';
import type { ImageFormat } from '@diskferry/server-adapter/simulated-disk';
import { type Command, CommandError, run, runJson } from '@diskferry/system/run';
import { openSession } from '@diskferry/system/session';
import { requireTools } from '@diskferry/system/tools';
import { formatBytes } from '@diskferry/system/units';

/** A forged image must not take the memory of the server, in bytes of address space. */
const MEMORY_LIMIT = 2 * 1024 ** 3;
/** To read a header takes no time worth mentioning; to check the tables of a large image, minutes. */
const INFO_TIMEOUT_MS = 60_000;
const CHECK_TIMEOUT_MS = 3_600_000;
/** `qemu-img check` (qemu-img(1)): 3 is room that is used for nothing, which harms no data. */
const CHECK_OK = [0, 3];
/** Enough of a disk for its first GPT with sectors of 4096 bytes and 128 entries, which is where all programs put it. */
const TABLE_BYTES = 64 * 1024;
const FIRST_SECTOR_SIZE = 512;

export interface ImageFacts {
  /** Bytes, as all sizes. */
  readonly virtualSize: number;
  readonly allocatedSize: number;
}

interface QemuInfo {
  readonly 'virtual-size': number;
  readonly 'actual-size': number;
  readonly 'backing-filename'?: string;
  readonly encrypted?: boolean;
}

/**
 * Reads what an image says of itself, and checks its structure where its format has one. It must have passed
 * `recogniseImage`: qemu-img would open other files that are named in it.
 *
 * @throws {ImageError} `IMAGE_DAMAGED`, `IMAGE_IN_USE`, `IMAGE_FORMAT` or `IMAGE_SIZE`
 */
export async function examineImage(
  path: string,
  format: ImageFormat,
  signal?: AbortSignal,
): Promise<ImageFacts> {
  const info = await withLimits<QemuInfo>(path, ['info', '--output=json', '-f', format, path], signal);
  if (info['backing-filename'] !== undefined || info.encrypted === true) {
    throw new ImageError('IMAGE_FORMAT', `the image ${path} depends on another file or is encrypted`);
  }
  if (format !== 'raw') await checkStructure(path, format, signal);
  return { virtualSize: info['virtual-size'], allocatedSize: info['actual-size'] };
}

async function withLimits<T>(path: string, words: readonly string[], signal?: AbortSignal): Promise<T> {
  requireTools(['prlimit', 'qemu-img']);
  return runJson<T>(limited(words), { signal, timeoutMs: INFO_TIMEOUT_MS }).catch((error: unknown) => {
    throw explain(path, error);
  });
}

async function checkStructure(path: string, format: ImageFormat, signal?: AbortSignal): Promise<void> {
  await run(limited(['check', '-q', '-f', format, path]), {
    signal,
    timeoutMs: CHECK_TIMEOUT_MS,
    okExitCodes: CHECK_OK,
  }).catch((error: unknown) => {
    throw explain(path, error);
  });
}

function limited(words: readonly string[]): Command {
  return ['prlimit', `--as=${MEMORY_LIMIT}`, 'qemu-img', ...words];
}

/** A check that our own limit ends says nothing of the image: it needs two bytes for each 64 KiB of a qcow2. */
function explain(path: string, error: unknown): unknown {
  if (!(error instanceof CommandError) || !/Cannot allocate memory/.test(error.stderr)) {
    return explainImageFailure(path, error);
  }
  return new ImageError(
    'IMAGE_SIZE',
    `the image ${path} is too large to be checked with ${formatBytes(MEMORY_LIMIT)} of memory`,
    { cause: error },
  );
}

/**
 * The sectors for which the partition table in an image is made, in bytes: 512 where there is none.
 *
 * @throws {ImageError} when it cannot be read
 */
export async function sectorSizeOf(
  path: string,
  format: ImageFormat,
  { virtualSize }: ImageFacts,
  signal?: AbortSignal,
): Promise<number> {
  if (virtualSize < FIRST_SECTOR_SIZE) return FIRST_SECTOR_SIZE;
  await using session = openSession('catalog');
  const start = { kind: 'file', path: join(session.folder, 'start') } as const;
  session.hold(start);
  const places = [`bs=${TABLE_BYTES}`, 'count=1', `if=${path}`, `of=${start.path}`];
  await run(limited(['dd', '-f', format, '-O', 'raw', ...places]), {
    signal,
    timeoutMs: INFO_TIMEOUT_MS,
  }).catch((error: unknown) => {
    throw explain(path, error);
  });
  await using file = await open(start.path, 'r');
  const read = async (offset: number, bytes: Uint8Array): Promise<void> => {
    bytes.fill(0);
    if (offset < TABLE_BYTES) await file.read(bytes, 0, bytes.length, offset);
  };
  return (await tableSectorSize({ size: virtualSize, read })).logical;
}

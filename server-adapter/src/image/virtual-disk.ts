import { run, runJson } from '@diskferry/system/run';
import { IMAGE_FORMATS, type ImageFormat } from '../simulated-disk.ts';
import { explainImageFailure, explainTooLarge, ImageError, refuseUnlessFile } from './image-error.ts';

const FORMATS: ReadonlySet<string> = new Set(IMAGE_FORMATS);

export interface ImageInfo {
  readonly format: ImageFormat;
  /** What a computer would see, in bytes. */
  readonly virtualSize: number;
  /** What the file takes on this server, in bytes; holes not counted. */
  readonly allocatedSize: number;
}

/**
 * What each format is made with: of several kinds the one that can be written in any order and grows with what is
 * written, and small blocks, so that it grows by little more than that.
 */
const CREATION_OPTIONS: Readonly<Partial<Record<ImageFormat, string>>> = {
  vmdk: 'subformat=monolithicSparse',
  vhdx: 'subformat=dynamic,block_size=1M',
};

/**
 * Makes an empty virtual disk file that takes no more room than what is written to it later.
 *
 * @param size bytes
 * @throws {CommandError} when the folder is missing or full
 * @throws {ImageError} `IMAGE_SIZE` when the format or the file system of the folder has no disks of that size
 */
export async function createImage(path: string, format: ImageFormat, size: number): Promise<void> {
  const options = CREATION_OPTIONS[format];
  const words = options === undefined ? [] : ['-o', options];
  await run(['qemu-img', 'create', '-q', '-f', format, ...words, path, String(size)]).catch(
    (error: unknown) => {
      throw explainTooLarge(path, format, size, error);
    },
  );
}

/**
 * Reads what a virtual disk file says of itself. Its format is recognised by its contents, so a file that is none of
 * the others is `raw`.
 *
 * @throws {ImageError} in a sentence that names the file and what is wrong
 */
export async function inspectImage(path: string): Promise<ImageInfo> {
  await refuseUnlessFile(path);
  const info = await queryImage(path);
  if (!FORMATS.has(info.format)) {
    const known = [...FORMATS].join(', ');
    throw new ImageError('IMAGE_FORMAT', `${path} has the format ${info.format}; diskferry uses ${known}`);
  }
  return {
    format: info.format as ImageFormat,
    virtualSize: info['virtual-size'],
    allocatedSize: info['actual-size'],
  };
}

interface QemuImageInfo {
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'actual-size': number;
}

async function queryImage(path: string): Promise<QemuImageInfo> {
  try {
    // --force-share: the image may be attached or be the disk of a running machine.
    return await runJson<QemuImageInfo>(['qemu-img', 'info', '--force-share', '--output=json', path]);
  } catch (error) {
    throw explainImageFailure(path, error);
  }
}

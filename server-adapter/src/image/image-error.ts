import { stat } from 'node:fs/promises';
import { DiskferryError } from '@diskferry/system/errors';
import { CommandError } from '@diskferry/system/run';

/**
 * A virtual disk file that cannot be used. Codes: `IMAGE_MISSING`, `IMAGE_IN_USE`, `IMAGE_DAMAGED`, `IMAGE_FORMAT`,
 * `IMAGE_SIZE`.
 */
export class ImageError extends DiskferryError {}

/** @throws {ImageError} `IMAGE_MISSING` when the path leads to no regular file */
export async function refuseUnlessFile(path: string): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'there is no such file' : cause.message;
    throw new ImageError('IMAGE_MISSING', `the image ${path} cannot be opened: ${why}`, { cause });
  });
  if (!found.isFile()) {
    throw new ImageError('IMAGE_MISSING', `${path} is not a file, so it is no virtual disk`);
  }
}

/** What a failure of qemu-img or qemu-nbd on an image means, in a sentence; other errors as they are. */
export function explainImageFailure(path: string, error: unknown): unknown {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') return error;
  if (/Failed to get .* lock/.test(error.stderr)) {
    const message = `the image ${path} is in use by another program, such as a running machine or another capture`;
    return new ImageError('IMAGE_IN_USE', message, { cause: error });
  }
  return new ImageError(
    'IMAGE_DAMAGED',
    `the image ${path} cannot be read: ${reasonOf(error.stderr, path)}`,
    {
      cause: error,
    },
  );
}

/** What a failure to make an image of so many bytes means, in a sentence; other errors as they are. */
export function explainTooLarge(path: string, format: string, size: number, error: unknown): unknown {
  const isTooLarge = error instanceof CommandError && /too (large|big|long)/i.test(error.stderr);
  if (!isTooLarge) return error;
  const message =
    `${path} cannot be a ${format} image of ${size} bytes: ${reasonOf(error.stderr, path)}; ` +
    'choose another format, such as qcow2, or another folder';
  return new ImageError('IMAGE_SIZE', message, { cause: error });
}

/** The last line without the names of program and image that stand before the reason. */
function reasonOf(stderr: string, path: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const name = `'${path}': `;
  const at = line.indexOf(name);
  return at < 0 ? line : line.slice(at + name.length);
}

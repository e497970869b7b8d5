import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { RefusedError } from '../refused-error.ts';

/** Whoever has a medium with a secret can enrol a computer. */
const MODE = 0o600;

/**
 * Writes a medium as a whole or not at all, for its owner only.
 *
 * @throws {RefusedError} `NEEDS_CONFIRMATION` when a file is there and may not be replaced, `NOT_A_FILE` when it is no
 * ordinary file, such as a stick's device
 * @throws {DiskferryError} `MEDIUM_NOT_WRITTEN` when it cannot be written
 */
export async function writeMedium(path: string, bytes: Buffer, options: { replace: boolean }): Promise<void> {
  const present = await stat(path).catch(() => undefined);
  if (present !== undefined && !present.isFile()) {
    throw new RefusedError(
      'NOT_A_FILE',
      `${path} is no ordinary file: write an ISO file first, then copy it to the stick`,
    );
  }
  if (present !== undefined && !options.replace) throw needsConfirmation(path);
  const scratch = `${path}.${process.pid}.new`;
  try {
    await writeFile(scratch, bytes, { flag: 'wx', mode: MODE });
    // A link is refused where a file has appeared meanwhile.
    if (options.replace) await rename(scratch, path);
    else await link(scratch, path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw needsConfirmation(path);
    throw new DiskferryError('MEDIUM_NOT_WRITTEN', `${path} was not written: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await rm(scratch, { force: true });
  }
}

function needsConfirmation(path: string): RefusedError {
  return new RefusedError('NEEDS_CONFIRMATION', `${path} is there already\nadd --yes to replace it`);
}

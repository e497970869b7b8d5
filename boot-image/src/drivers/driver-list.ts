import { DiskferryError } from '@diskferry/system/errors';

/** One line of a driver list: a driver by its name, or all drivers of a folder of the kernel. */
export type DriverEntry =
  | { readonly kind: 'driver'; readonly name: string; readonly where: string }
  | { readonly kind: 'folder'; readonly folder: string; readonly where: string };

const FOLDER_SUFFIX = '/*';
const DRIVER_NAME = /^[\w-]+$/;
const FOLDER_NAME = /^[\w-]+(\/[\w-]+)*$/;

/**
 * Reads a driver list: one driver or `FOLDER/*` a line, `#` begins a comment.
 *
 * @param file the name of the list, for messages
 * @throws {DiskferryError} `DRIVER_LIST` for a line that is neither
 */
export function parseDriverList(text: string, file: string): DriverEntry[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.replace(/#.*/, '').trim();
    return words === '' ? [] : [parseEntry(words, `${file}:${index + 1}`)];
  });
}

function parseEntry(words: string, where: string): DriverEntry {
  if (words.endsWith(FOLDER_SUFFIX)) {
    const folder = words.slice(0, -FOLDER_SUFFIX.length);
    if (FOLDER_NAME.test(folder)) return { kind: 'folder', folder, where };
  } else if (DRIVER_NAME.test(words)) {
    return { kind: 'driver', name: words, where };
  }
  throw new DiskferryError(
    'DRIVER_LIST',
    `${where}: "${words}" is neither a driver name such as e1000e nor a folder such as drivers/ata/*`,
  );
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';
import { SOURCE_FOLDER } from '../locations.ts';

/** A file of boot-image/menu with its blanks filled in. */
export async function readMenu(name: string, id = ''): Promise<string> {
  const text = await readFile(join(SOURCE_FOLDER, 'menu', name), 'utf8');
  return text.replaceAll('@KERNEL_WORDS@', KERNEL_WORDS).replaceAll('@ID@', id);
}

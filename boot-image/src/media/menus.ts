import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_FOLDER } from '../locations.ts';

/**
 * Quiet, because kernel messages would run through the client's text. Screen and serial line both are consoles. As
 * ramfs, the first root file system may take more than half of the memory: that is what 192 MB need (ADR 25).
 */
export const KERNEL_WORDS = 'quiet loglevel=3 rootfstype=ramfs console=tty0 console=ttyS0,115200';

/** A file of boot-image/menu with its blanks filled in. */
export async function readMenu(name: string, id = ''): Promise<string> {
  const text = await readFile(join(SOURCE_FOLDER, 'menu', name), 'utf8');
  return text.replaceAll('@KERNEL_WORDS@', KERNEL_WORDS).replaceAll('@ID@', id);
}

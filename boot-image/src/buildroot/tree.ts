import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SOURCE_FOLDER } from '../locations.ts';
import { parseOptions, type WantedOption } from './options.ts';

/** The BR2_EXTERNAL tree is the folder of the boot image itself. */
export const EXTERNAL_TREE = SOURCE_FOLDER;
const BOARD = join(EXTERNAL_TREE, 'board/diskferry');

export const DEFCONFIG = 'diskferry_x86_64_defconfig';

/** What the defconfig says. */
export function readDefconfig(): Promise<WantedOption[]> {
  return readOptions(join(EXTERNAL_TREE, 'configs', DEFCONFIG));
}

/** What the kernel's configuration is to be, the file with the base first. */
export async function readKernelFragments(): Promise<WantedOption[]> {
  const options = (await kernelFragments()).map(readOptions);
  return (await Promise.all(options)).flat();
}

/** What BusyBox is to have besides what Buildroot gives it. */
export function readBusyBoxFragment(): Promise<WantedOption[]> {
  return readOptions(join(BOARD, 'busybox.fragment'));
}

/** Paths of the kernel's base configuration and of its fragments, in the order in which they are merged. */
export async function kernelFragments(): Promise<string[]> {
  const folder = join(BOARD, 'linux');
  const fragments = (await readdir(folder)).filter((name) => name.endsWith('.fragment')).sort();
  return ['base.config', ...fragments].map((name) => join(folder, name));
}

/** The kernel option of each driver that the lists in boot-image/drivers name, as "DRIVER OPTION" lines. */
export async function readDriverOptions(): Promise<Map<string, string>> {
  const lines = (await readFile(join(BOARD, 'driver-options.list'), 'utf8')).split('\n');
  const entries = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ') as [string, string]);
  return new Map(entries);
}

async function readOptions(path: string): Promise<WantedOption[]> {
  return parseOptions(await readFile(path, 'utf8'), basename(path));
}

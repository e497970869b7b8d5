import { constants } from 'node:fs';
import { chmod, copyFile, cp, mkdir, readdir, rm, rmdir, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import { pathExists } from '../path-exists.ts';
import type { KernelParts, Parts } from '../packages/parts.ts';
import { copyScripts } from './copy-scripts.ts';
import type { Layer } from './layer.ts';
import { writeLeanClient } from './lean-client.ts';
import { findLibraries } from './libraries.ts';

const EMPTY_FOLDERS = ['dev', 'proc', 'sys', 'run', 'root', 'mnt', 'var/log'];
const MERGED_FOLDERS = {
  bin: 'usr/bin',
  sbin: 'usr/bin',
  lib: 'usr/lib',
  lib64: 'usr/lib64',
  'usr/sbin': 'bin',
} as const;
const PROGRAM_FOLDER = 'usr/bin';
const LOADER_FOLDER = 'usr/lib64';
const LIBRARY_FOLDER = 'usr/lib/x86_64-linux-gnu';
const FIRMWARE_FOLDERS = ['lib/firmware', 'usr/lib/firmware'];
/** Files of the kernel package that depmod and modprobe need besides the modules. */
const MODULE_LISTS = ['modules.builtin', 'modules.builtin.modinfo', 'modules.order'];

export interface LayersOptions {
  /** An empty folder that gets one folder a layer. */
  readonly target: string;
  readonly parts: Parts;
  /** Paths of the chosen drivers, relative to the modules folder. */
  readonly drivers: readonly string[];
  /** The imaging client executable. */
  readonly client: string;
  /** Start-up scripts and configuration, copied as they are. */
  readonly scripts: string;
}

/** Lays out the root file system of the secondary OS. */
export async function composeLayers(options: LayersOptions): Promise<Record<Layer, string>> {
  const { target, parts, client } = options;
  const folders = {
    system: join(target, 'system'),
    client: join(target, 'client'),
    drivers: join(target, 'drivers'),
  };
  await composeSystem(folders.system, options);
  await mkdir(join(folders.client, PROGRAM_FOLDER), { recursive: true });
  await writeLeanClient(client, join(folders.client, PROGRAM_FOLDER, 'imaging-client'));
  await composeDrivers(folders.drivers, parts.kernel, options.drivers);
  return folders;
}

async function composeSystem(folder: string, { parts, client, scripts }: LayersOptions): Promise<void> {
  for (const name of EMPTY_FOLDERS) await mkdir(join(folder, name), { recursive: true });
  await mkdir(join(folder, 'tmp'));
  await chmod(join(folder, 'tmp'), 0o1777);
  await addBusyBox(folder, parts.folders['busybox-static']);
  const { loader, libraries } = await findLibraries(client, parts.folders);
  await place(loader, join(folder, LOADER_FOLDER, basename(loader)), 0o755);
  for (const library of libraries) {
    await place(library, join(folder, LIBRARY_FOLDER, basename(library)), 0o644);
  }
  for (const [link, to] of Object.entries(MERGED_FOLDERS)) await symlink(to, join(folder, link));
  await copyScripts(scripts, folder);
}

async function addBusyBox(folder: string, packageFolder: string): Promise<void> {
  const busybox = join(packageFolder, 'bin/busybox');
  await place(busybox, join(folder, PROGRAM_FOLDER, 'busybox'), 0o755);
  const { stdout } = await run([busybox, '--list']);
  for (const applet of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
    await symlink('busybox', join(folder, PROGRAM_FOLDER, applet));
  }
}

async function composeDrivers(
  folder: string,
  kernel: KernelParts,
  drivers: readonly string[],
): Promise<void> {
  const target = join(folder, 'usr/lib/modules', kernel.release);
  for (const path of [...drivers, ...MODULE_LISTS]) {
    await place(join(kernel.modulesFolder, path), join(target, path), 0o644);
  }
  await run(['depmod', '--basedir', join(folder, 'usr'), kernel.release]);
  // BusyBox reads the text forms only.
  for (const name of await readdir(target)) if (name.endsWith('.bin')) await rm(join(target, name));
}

/**
 * Lays out further drivers, to be stacked above the others: only they are in the folder, but its lists name both.
 *
 * @param drivers paths of drivers in the image, and of those that are added to them
 */
export async function composeExtraDrivers(
  folder: string,
  kernel: KernelParts,
  drivers: { readonly inImage: readonly string[]; readonly added: readonly string[] },
): Promise<void> {
  await composeDrivers(folder, kernel, [...drivers.inImage, ...drivers.added]);
  for (const path of drivers.inImage) await rm(join(folder, 'usr/lib/modules', kernel.release, path));
  await removeEmptyFolders(folder);
}

/** Lays out the firmware files of unpacked packages. */
export async function composeFirmware(folder: string, packageFolders: readonly string[]): Promise<void> {
  const target = join(folder, 'usr/lib/firmware');
  await mkdir(target, { recursive: true });
  for (const source of packageFolders) {
    for (const place of FIRMWARE_FOLDERS) {
      if (!(await pathExists(join(source, place)))) continue;
      await cp(join(source, place), target, { recursive: true, verbatimSymlinks: true });
    }
  }
}

async function removeEmptyFolders(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    await removeEmptyFolders(path);
    if ((await readdir(path)).length === 0) await rmdir(path);
  }
}

async function place(source: string, target: string, mode: number): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, mode);
}

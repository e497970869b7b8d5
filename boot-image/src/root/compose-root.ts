import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { KernelParts, Parts } from '../packages/parts.ts';
import { copyScripts } from './copy-scripts.ts';
import { findLibraries } from './libraries.ts';

const EMPTY_FOLDERS = ['dev', 'proc', 'sys', 'run', 'root', 'mnt', 'var/log'];
const MERGED_FOLDERS = {
  bin: 'usr/bin',
  sbin: 'usr/bin',
  lib: 'usr/lib',
  lib64: 'usr/lib64',
  'usr/sbin': 'bin',
} as const;
const LIBRARY_FOLDER = 'usr/lib/x86_64-linux-gnu';
/** Files of the kernel package that depmod and modprobe need besides the modules. */
const MODULE_LISTS = ['modules.builtin', 'modules.builtin.modinfo', 'modules.order'];

export interface RootOptions {
  readonly target: string;
  readonly parts: Parts;
  /** Paths of the chosen drivers, relative to the modules folder. */
  readonly drivers: readonly string[];
  /** The imaging client executable. */
  readonly client: string;
  /** Start-up scripts and configuration, copied as they are. */
  readonly scripts: string;
  readonly release: string;
}

/** Lays out the root file system of the secondary OS in an empty folder. */
export async function composeRoot({
  target,
  parts,
  drivers,
  client,
  scripts,
  release,
}: RootOptions): Promise<void> {
  for (const folder of EMPTY_FOLDERS) await mkdir(join(target, folder), { recursive: true });
  for (const folder of ['usr/bin', 'usr/lib64', LIBRARY_FOLDER]) {
    await mkdir(join(target, folder), { recursive: true });
  }
  for (const [link, to] of Object.entries(MERGED_FOLDERS)) await symlink(to, join(target, link));
  await mkdir(join(target, 'tmp'));
  await chmod(join(target, 'tmp'), 0o1777);
  await addBusyBox(target, parts.folders['busybox-static']);
  await addClient(target, client, parts);
  await addDrivers(target, parts.kernel, drivers);
  await copyScripts(scripts, target);
  await writeFile(join(target, 'etc/diskferry-release'), `${release}\n`);
}

async function addBusyBox(target: string, folder: string): Promise<void> {
  const busybox = join(folder, 'bin/busybox');
  await place(busybox, join(target, 'usr/bin/busybox'), 0o755);
  const { stdout } = await run([busybox, '--list']);
  for (const applet of stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')) {
    await symlink('busybox', join(target, 'usr/bin', applet));
  }
}

async function addClient(target: string, client: string, { folders }: Parts): Promise<void> {
  await place(client, join(target, 'usr/bin/imaging-client'), 0o755);
  const { loader, libraries } = await findLibraries(client, folders);
  await place(loader, join(target, 'usr/lib64/ld-linux-x86-64.so.2'), 0o755);
  for (const library of libraries) {
    await place(library, join(target, LIBRARY_FOLDER, library.slice(library.lastIndexOf('/') + 1)), 0o644);
  }
}

async function addDrivers(target: string, kernel: KernelParts, drivers: readonly string[]): Promise<void> {
  const folder = join(target, 'usr/lib/modules', kernel.release);
  for (const path of [...drivers, ...MODULE_LISTS]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await place(join(kernel.modulesFolder, path), join(folder, path), 0o644);
  }
  await run(['depmod', '--basedir', join(target, 'usr'), kernel.release]);
  // BusyBox reads the text forms only.
  for (const name of await readdir(folder)) if (name.endsWith('.bin')) await rm(join(folder, name));
}

async function place(source: string, target: string, mode: number): Promise<void> {
  await copyFile(source, target, constants.COPYFILE_FICLONE);
  await chmod(target, mode);
}

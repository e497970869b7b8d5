import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { LAYERS, type Layer } from '../layers/layer.ts';

const CLIENT = 'usr/bin/imaging-client';
const MODULES = 'usr/lib/modules';

/** The root file system of Buildroot as the layers of the secondary OS. */
export interface SplitRoot {
  readonly folders: Readonly<Record<Layer, string>>;
  /** The kernel release, such as 6.1.192-diskferry. */
  readonly release: string;
}

/**
 * Unpacks Buildroot's rootfs.tar into one folder a layer: the drivers, the imaging client, and all else.
 *
 * @param target a folder that is made
 * @throws {DiskferryError} `BUILDROOT_ROOT` when there is not exactly one kernel in it
 */
export async function splitRoot(tar: string, target: string): Promise<SplitRoot> {
  const folders = Object.fromEntries(LAYERS.map((layer) => [layer, join(target, layer)])) as Record<
    Layer,
    string
  >;
  await mkdir(folders.system, { recursive: true });
  // Device nodes need rights and are of no use: the kernel's own device file system covers them.
  const words = ['--extract', '--file', tar, '--directory', folders.system, '--exclude=./dev/*'];
  await run(['tar', ...words, '--no-same-owner', '--same-permissions']);
  await move(CLIENT, folders.system, folders.client);
  await move(MODULES, folders.system, folders.drivers);
  const modules = join(folders.drivers, MODULES);
  const [release, ...others] = await readdir(modules);
  if (release === undefined || others.length > 0) {
    throw new DiskferryError(
      'BUILDROOT_ROOT',
      `${tar} must hold exactly one kernel below ${MODULES}: after a change of its version, remove target and build/linux-* of Buildroot's output folder`,
    );
  }
  for (const name of await readdir(join(modules, release))) {
    // BusyBox reads the text forms only; the links lead to sources.
    if (name.endsWith('.bin') || name === 'build' || name === 'source') {
      await rm(join(modules, release, name));
    }
  }
  return { folders, release };
}

async function move(path: string, from: string, to: string): Promise<void> {
  await mkdir(dirname(join(to, path)), { recursive: true });
  await rename(join(from, path), join(to, path));
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { type LostOption, lostOptions } from './lost-options.ts';
import { readBusyBoxFragment, readKernelFragments } from './tree.ts';

/** The folder of a package in Buildroot's build folder; linux-headers and such are others. */
const KERNEL = /^linux-\d/;
const BUSYBOX = /^busybox-\d/;

/** The wanted options that are not in what Buildroot compiled: of the kernel and of BusyBox. */
export async function lostInBuild(outputFolder: string): Promise<LostOption[]> {
  const build = join(outputFolder, 'build');
  return [
    ...lostOptions(await readKernelFragments(), await configurationOf(build, KERNEL)),
    ...lostOptions(await readBusyBoxFragment(), await configurationOf(build, BUSYBOX)),
  ];
}

async function configurationOf(build: string, name: RegExp): Promise<string> {
  const [folder, ...others] = (await readdir(build)).filter((entry) => name.test(entry));
  if (folder === undefined || others.length > 0) {
    throw new DiskferryError(
      'BUILDROOT_OUTPUT',
      `${build} must have one folder ${name.source}, not ${others.length + (folder === undefined ? 0 : 1)}: ` +
        'remove those of versions that were built before',
    );
  }
  return readFile(join(build, folder, '.config'), 'utf8');
}

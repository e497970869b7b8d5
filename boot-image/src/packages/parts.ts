import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { type DebianPackage, findKernelPackage, findPackages } from './package-index.ts';
import { PACKAGE_NAMES, type PackageName } from './package-names.ts';
import { unpackPackage } from './unpack-package.ts';

/** The unpacked packages that a boot image is made of. */
export interface Parts {
  readonly packages: readonly DebianPackage[];
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly kernel: KernelParts;
}

export interface KernelParts {
  /** Such as 6.1.0-56-amd64. */
  readonly release: string;
  readonly vmlinuz: string;
  /** /lib/modules/RELEASE of the package, with modules.dep made by depmod. */
  readonly modulesFolder: string;
}

/** Downloads and unpacks what the cache does not have. */
export async function collectParts(cacheFolder: string): Promise<Parts> {
  const kernelPackage = await findKernelPackage();
  const packages = await findPackages(PACKAGE_NAMES);
  const folders: Partial<Record<PackageName, string>> = {};
  for (const item of packages) {
    folders[item.name as PackageName] = await unpackPackage(item, cacheFolder);
  }
  const kernelFolder = await unpackPackage(kernelPackage, cacheFolder, async (folder) => {
    await run(['depmod', '--basedir', folder, await kernelRelease(folder)]);
  });
  const release = await kernelRelease(kernelFolder);
  return {
    packages: [kernelPackage, ...packages],
    folders: folders as Record<PackageName, string>,
    kernel: {
      release,
      vmlinuz: join(kernelFolder, 'boot', `vmlinuz-${release}`),
      modulesFolder: join(kernelFolder, 'lib/modules', release),
    },
  };
}

async function kernelRelease(folder: string): Promise<string> {
  const [release, ...others] = await readdir(join(folder, 'lib/modules'));
  if (release === undefined || others.length > 0) {
    throw new DiskferryError('KERNEL_PACKAGE', `${folder}/lib/modules must hold exactly one kernel release`);
  }
  return release;
}

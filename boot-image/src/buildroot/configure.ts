import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Checkout } from './checkout.ts';
import { type LostOption, lostOptions } from './lost-options.ts';
import { DEFCONFIG, EXTERNAL_TREE, kernelFragments, readDefconfig, readKernelFragments } from './tree.ts';

/**
 * Loads the defconfig into an output folder of Buildroot, as its first step there.
 *
 * @returns the options that Buildroot did not keep
 */
export async function loadDefconfig(
  checkout: Checkout,
  outputFolder: string,
  signal?: AbortSignal,
): Promise<LostOption[]> {
  const words = [`BR2_EXTERNAL=${EXTERNAL_TREE}`, `O=${outputFolder}`, DEFCONFIG];
  await run(['make', '--silent', '-C', checkout.path, ...words], { signal });
  return lostOptions(await readDefconfig(), await readFile(join(outputFolder, '.config'), 'utf8'));
}

/**
 * Configures a Linux source tree by the fragments, in a folder of its own: what Buildroot does before it compiles the kernel,
 * in seconds and without Buildroot.
 *
 * @returns the options that the kernel did not keep
 */
export async function configureKernel(sourceFolder: string, signal?: AbortSignal): Promise<LostOption[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'diskferry-kernel-'));
  try {
    const merge = [join(sourceFolder, 'scripts/kconfig/merge_config.sh'), '-m', '-O', scratch] as const;
    await run([...merge, ...(await kernelFragments())], { cwd: scratch, signal });
    await run(['make', '--silent', '-C', sourceFolder, `O=${scratch}`, 'ARCH=x86_64', 'olddefconfig'], {
      signal,
    });
    return lostOptions(await readKernelFragments(), await readFile(join(scratch, '.config'), 'utf8'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { settingsArchive } from '@diskferry/system/medium/settings-archive';
import type { PackageName } from '../packages/package-names.ts';
import { readMenu } from './menus.ts';
import { signedGrub, signedShim } from './signed-loaders.ts';

export interface NetworkFilesOptions {
  readonly distFolder: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly settings: MediumSettings | undefined;
  /** An archive of further drivers. */
  readonly extraDrivers?: Buffer;
  readonly epoch: number;
}

export interface NetworkFiles {
  readonly vmlinuz: string;
  readonly initrd: string;
  /** All files by the names that the manifest gives them. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Writes what computers load over the network into `pxe`: kernel and initrd, with the settings behind it, for any boot
 * loader; further drivers, as a second initrd for computers that need them; and for Secure Boot the signed shim and
 * GRUB, by the names under which they look for each other by TFTP.
 */
export async function writeNetworkFiles(options: NetworkFilesOptions): Promise<NetworkFiles> {
  const { distFolder, folders, settings, epoch } = options;
  const folder = join(distFolder, 'pxe');
  const place = (name: string): string => join(folder, name);
  await mkdir(dirname(place('grub/grub.cfg')), { recursive: true });
  await copyFile(options.vmlinuz, place('vmlinuz'));
  const settingsOf = settings === undefined ? [] : [settingsArchive(settings, epoch)];
  await writeFile(place('initrd'), Buffer.concat([await readFile(options.initrd), ...settingsOf]));
  const { extraDrivers } = options;
  if (extraDrivers !== undefined) await writeFile(place('extra-drivers'), extraDrivers);
  await copyFile(signedShim(folders), place('shimx64.efi'));
  await copyFile(signedGrub(folders, 'grubnetx64'), place('grubx64.efi'));
  await writeFile(place('grub/grub.cfg'), await readMenu('network.cfg'));
  const extra = extraDrivers === undefined ? [] : ['extra-drivers'];
  const names = ['vmlinuz', 'initrd', ...extra, 'shimx64.efi', 'grubx64.efi', 'grub/grub.cfg'];
  const files = Object.fromEntries(names.map((name) => [`pxe/${name}`, place(name)]));
  return { vmlinuz: place('vmlinuz'), initrd: place('initrd'), files };
}

import { copyFile, mkdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { makeOptionBlock } from '@diskferry/system/medium/option-block';
import { makeSettingsArea } from '@diskferry/system/medium/settings-area';
import { hashFile } from '../hash.ts';
import { listTree } from '../layers/list-tree.ts';
import type { PackageName } from '../packages/package-names.ts';
import { readMenu } from './menus.ts';
import { signedGrub, signedShim } from './signed-loaders.ts';

/** For the two file allocation tables and the folders. */
const SPARE_BYTES = 256 * 1024;
/** GPT partitions begin and end at such a multiple. */
const GRANULE_BYTES = 1024 * 1024;
const SECTOR_BYTES = 512;
/** FAT volume serial number: any constant will do. */
const VOLUME_SERIAL = '4446ce01';
/** Sectors a cluster: makes FAT16 of volumes up to 1 GiB, which all firmware reads. */
const CLUSTER_SECTORS = 32;
/** Where GRUB looks for modules that are not in its image. */
const MODULE_FOLDER = 'boot/grub/x86_64-efi';
/** With them the menu checks the kernel where no Secure Boot does. They must be of the same version as the signed GRUB. */
const CHECKING_MODULES = ['gcry_sha256.mod', 'hashsum.mod'];

export interface EfiImageOptions {
  readonly target: string;
  readonly scratch: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly settings: MediumSettings | undefined;
  readonly epoch: number;
}

/**
 * Writes the FAT volume that UEFI firmware starts from: shim and GRUB with Debian's signatures, the menu, kernel and
 * initrd, and room for settings. A BIOS reads the same menu, kernel and initrd with the GRUB of its own.
 */
export async function writeEfiImage(options: EfiImageOptions): Promise<void> {
  const { target, scratch, epoch } = options;
  const tree = join(scratch, 'efi');
  await layOut(tree, options);
  const paths = await listTree(tree);
  let bytes = SPARE_BYTES;
  for (const path of paths.toReversed()) {
    await utimes(join(tree, path), epoch, epoch);
    bytes += (await stat(join(tree, path))).size;
  }
  await formatVolume(target, Math.ceil(bytes / GRANULE_BYTES) * GRANULE_BYTES, epoch);
  const top = paths.filter((path) => !path.includes('/')).map((path) => join(tree, path));
  await run(['mcopy', '-i', target, '-s', '-m', '-Q', ...top, '::'], { env: reproducible(epoch) });
}

async function layOut(tree: string, options: EfiImageOptions): Promise<void> {
  const { folders, vmlinuz, initrd, settings, epoch } = options;
  const modules = join(folders['grub-efi-amd64-bin'], 'usr/lib/grub/x86_64-efi');
  const copies = {
    'EFI/BOOT/BOOTX64.EFI': signedShim(folders),
    // The name by which shim looks for it; the variant for CDs reads its configuration from /boot/grub.
    'EFI/BOOT/grubx64.efi': signedGrub(folders, 'gcdx64'),
    ...Object.fromEntries(CHECKING_MODULES.map((name) => [`${MODULE_FOLDER}/${name}`, join(modules, name)])),
    vmlinuz,
    initrd,
  };
  const texts = {
    'boot/grub/grub.cfg': await readMenu('grub.cfg'),
    'kernel.sha256': `${await hashFile(vmlinuz)}  /vmlinuz\n`,
    settings: makeSettingsArea(settings, epoch),
    'options.env': makeOptionBlock([]),
  };
  for (const path of [...Object.keys(copies), ...Object.keys(texts)]) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
  }
  for (const [path, source] of Object.entries(copies)) await copyFile(source, join(tree, path));
  for (const [path, content] of Object.entries(texts)) await writeFile(join(tree, path), content);
}

async function formatVolume(target: string, bytes: number, epoch: number): Promise<void> {
  await writeFile(target, '');
  await truncate(target, bytes);
  const sectors = ['-T', String(bytes / SECTOR_BYTES), '-h', '16', '-s', '32'];
  const form = ['-c', String(CLUSTER_SECTORS), '-N', VOLUME_SERIAL];
  await run(['mformat', '-i', target, ...sectors, ...form, '::'], { env: reproducible(epoch) });
}

function reproducible(epoch: number): Record<string, string> {
  return { SOURCE_DATE_EPOCH: String(epoch) };
}

import { copyFile, mkdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { PackageName } from '../packages/package-names.ts';

/** Room for shim and GRUB with some to spare. */
const IMAGE_BYTES = 5 * 1024 * 1024;
const SECTOR_BYTES = 512;
/** FAT volume serial number: any constant will do. */
const VOLUME_SERIAL = '4446ce01';

export interface EfiImageOptions {
  readonly target: string;
  readonly scratch: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly grubConfig: string;
  readonly epoch: number;
}

/**
 * Writes the FAT image that UEFI firmware starts from: Debian's signed shim, which starts Debian's signed GRUB.
 * That GRUB, made for CDs, reads /boot/grub/grub.cfg of the volume it was started from.
 */
export async function writeEfiImage(options: EfiImageOptions): Promise<void> {
  const { target, folders, epoch } = options;
  const tree = join(options.scratch, 'efi');
  await mkdir(join(tree, 'EFI/BOOT'), { recursive: true });
  await mkdir(join(tree, 'boot/grub'), { recursive: true });
  await copyFile(
    join(folders['shim-signed'], 'usr/lib/shim/shimx64.efi.signed'),
    join(tree, 'EFI/BOOT/BOOTX64.EFI'),
  );
  await copyFile(
    join(folders['grub-efi-amd64-signed'], 'usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed'),
    join(tree, 'EFI/BOOT/grubx64.efi'),
  );
  await writeFile(join(tree, 'boot/grub/grub.cfg'), options.grubConfig);
  for (const path of ['EFI/BOOT/BOOTX64.EFI', 'EFI/BOOT/grubx64.efi', 'EFI/BOOT', 'EFI']) {
    await utimes(join(tree, path), epoch, epoch);
  }
  for (const path of ['boot/grub/grub.cfg', 'boot/grub', 'boot'])
    await utimes(join(tree, path), epoch, epoch);
  await writeFile(target, '');
  await truncate(target, IMAGE_BYTES);
  const env = { SOURCE_DATE_EPOCH: String(epoch) };
  const sectors = String(IMAGE_BYTES / SECTOR_BYTES);
  await run(['mformat', '-i', target, '-T', sectors, '-h', '16', '-s', '32', '-N', VOLUME_SERIAL, '::'], {
    env,
  });
  await run(['mcopy', '-i', target, '-s', '-m', '-Q', join(tree, 'EFI'), join(tree, 'boot'), '::'], { env });
}

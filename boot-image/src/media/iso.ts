import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { PackageName } from '../packages/package-names.ts';
import { mbrCode, writeBiosImage } from './bios-image.ts';
import { writeEfiImage } from './efi-image.ts';

const VOLUME_LABEL = 'DISKFERRY';
const BIOS_IMAGE = 'boot/grub/eltorito.img';
/** Type of an EFI system partition in a GPT: UEFI specification, section 5.3.3. */
const EFI_SYSTEM_PARTITION = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';

export interface IsoOptions {
  readonly target: string;
  readonly scratch: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  /** GRUB menu. */
  readonly menu: string;
  /** GRUB commands that find the medium by `id`. */
  readonly findMedium: string;
  /** Tells this build from others: name of a file in /diskferry on the medium. */
  readonly id: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly epoch: number;
}

/** Writes the medium that boots as CD and as USB stick, on BIOS and on UEFI. */
export async function writeIso(options: IsoOptions): Promise<void> {
  const { scratch, target, folders, epoch } = options;
  const tree = join(scratch, 'iso');
  const efiImage = join(scratch, 'efi.img');
  await mkdir(join(tree, 'boot/grub'), { recursive: true });
  await mkdir(join(tree, 'diskferry'));
  await copyFile(options.vmlinuz, join(tree, 'boot/vmlinuz'));
  await copyFile(options.initrd, join(tree, 'boot/initrd'));
  await writeFile(join(tree, 'boot/grub/grub.cfg'), options.menu);
  await writeFile(join(tree, 'diskferry', options.id), '');
  const grubFolder = folders['grub-pc-bin'];
  const grubConfig = options.findMedium;
  await writeBiosImage({ target: join(tree, BIOS_IMAGE), scratch, grubFolder, grubConfig });
  await writeEfiImage({ target: efiImage, scratch, folders, grubConfig, epoch });
  await rm(target, { force: true });
  await run(
    [
      'xorriso',
      '-as',
      'mkisofs',
      ...xorrisoWords(efiImage, mbrCode(grubFolder)),
      '-o',
      `${target}.new`,
      tree,
    ],
    // xorriso derives volume dates, GPT identifiers and file times from it.
    { env: { SOURCE_DATE_EPOCH: String(epoch) } },
  );
  await rename(`${target}.new`, target);
}

/** After grub-mkrescue and the media of Debian and Fedora; each option is explained in xorrisofs(1). */
function xorrisoWords(efiImage: string, mbr: string): string[] {
  const names = ['-quiet', '-volid', VOLUME_LABEL, '-rational-rock', '-joliet'];
  const bios = [
    '-b',
    BIOS_IMAGE,
    '-no-emul-boot',
    '-boot-load-size',
    '4',
    '-boot-info-table',
    '--grub2-boot-info',
  ];
  const efi = ['-eltorito-alt-boot', '-e', '--interval:appended_partition_2:all::', '-no-emul-boot'];
  const stick = [
    '--grub2-mbr',
    mbr,
    // Some BIOSes start only from a stick whose MBR has an active partition.
    '--mbr-force-bootable',
    '-partition_offset',
    '16',
    '-append_partition',
    '2',
    EFI_SYSTEM_PARTITION,
    efiImage,
    '-appended_part_as_gpt',
  ];
  return [...names, ...stick, '-c', 'boot/boot.cat', ...bios, ...efi];
}

import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { MediumSettings } from '@diskferry/system/medium/medium-settings';
import { hashFile } from '../hash.ts';
import type { PackageName } from '../packages/package-names.ts';
import { mbrCode, writeBiosImage } from './bios-image.ts';
import { writeEfiImage } from './efi-image.ts';
import { readMenu } from './menus.ts';

const VOLUME_LABEL = 'DISKFERRY';
const BIOS_IMAGE = 'boot/bios.img';
const EFI_IMAGE = 'boot/efi.img';
const ID_DIGITS = 16;

export interface MediumOptions {
  readonly iso: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly scratch: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly settings: MediumSettings | undefined;
  readonly epoch: number;
}

/** Writes the medium that boots as CD and as USB stick, on BIOS and on UEFI. */
export async function writeMedium(options: MediumOptions): Promise<void> {
  const { iso, scratch, folders, epoch } = options;
  const tree = join(scratch, 'iso');
  await mkdir(join(tree, 'boot/grub'), { recursive: true });
  await mkdir(join(tree, 'diskferry'));
  await writeEfiImage({ ...options, target: join(tree, EFI_IMAGE) });
  // By the name of this file GRUB tells this build from other media in the same computer.
  const id = (await hashFile(join(tree, EFI_IMAGE))).slice(0, ID_DIGITS);
  await writeFile(join(tree, 'diskferry', id), '');
  await writeFile(join(tree, 'boot/grub/grub.cfg'), await readMenu('uefi-cd.cfg'));
  const grubFolder = folders['grub-pc-bin'];
  const grubConfig = await readMenu('find-medium.cfg', id);
  await writeBiosImage({ target: join(tree, BIOS_IMAGE), scratch, grubFolder, grubConfig });
  await mkdir(dirname(iso), { recursive: true });
  await rm(`${iso}.new`, { force: true });
  await run(
    ['xorriso', '-as', 'mkisofs', ...xorrisoWords(mbrCode(grubFolder), epoch), '-o', `${iso}.new`, tree],
    // xorriso derives volume dates and GPT identifiers from it.
    { env: { SOURCE_DATE_EPOCH: String(epoch) } },
  );
  await rename(`${iso}.new`, iso);
}

/** After grub-mkrescue; each option is explained in xorrisofs(1). */
function xorrisoWords(mbr: string, epoch: number): string[] {
  const times = ['--set_all_file_dates', `=${epoch}`];
  const names = ['-quiet', '-volid', VOLUME_LABEL, '-rational-rock', '-joliet', '-c', 'boot/boot.cat'];
  const bios = [
    '-b',
    BIOS_IMAGE,
    '-no-emul-boot',
    '-boot-load-size',
    '4',
    '-boot-info-table',
    '--grub2-boot-info',
  ];
  const efi = ['--efi-boot', EFI_IMAGE, '-efi-boot-part', '--efi-boot-image'];
  // Some BIOSes start only from a stick whose MBR has an active partition.
  const stick = ['--grub2-mbr', mbr, '--protective-msdos-label', '--mbr-force-bootable'];
  return [...times, ...names, ...bios, ...efi, ...stick];
}

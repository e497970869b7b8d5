import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';

/** All that the menu uses is in the image, so that no file of GRUB is on the medium besides. */
const GRUB_MODULES = [
  'biosdisk',
  'boot',
  'chain',
  'cmostest',
  'configfile',
  'drivemap',
  'echo',
  'halt',
  'hashsum',
  'iso9660',
  'fat',
  'gcry_sha256',
  'linux',
  'loadenv',
  'loopback',
  'minicmd',
  'normal',
  'part_gpt',
  'part_msdos',
  'reboot',
  'regexp',
  'search',
  'search_fs_file',
  'serial',
  'sleep',
  'terminal',
  'test',
];

export interface BiosImageOptions {
  readonly target: string;
  readonly scratch: string;
  /** The unpacked package grub-pc-bin. */
  readonly grubFolder: string;
  readonly grubConfig: string;
}

/** Writes the GRUB that a BIOS starts from a CD by El Torito, and from a USB stick through the MBR. */
export async function writeBiosImage(options: BiosImageOptions): Promise<void> {
  const config = join(options.scratch, 'find-medium.cfg');
  await writeFile(config, options.grubConfig);
  const folder = join(options.grubFolder, 'usr/lib/grub/i386-pc');
  const form = ['--format=i386-pc-eltorito', '--prefix=/boot/grub', `--directory=${folder}`];
  await run(['grub-mkimage', ...form, `--config=${config}`, `--output=${options.target}`, ...GRUB_MODULES]);
}

/** The MBR code that finds the GRUB image on a stick; xorriso writes its place into it. */
export function mbrCode(grubFolder: string): string {
  return join(grubFolder, 'usr/lib/grub/i386-pc/boot_hybrid.img');
}

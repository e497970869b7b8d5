import { copyFile, mkdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '@diskferry/system/run';
import { listTree } from '../layers/list-tree.ts';
import type { PackageName } from '../packages/package-names.ts';
import { readMenu } from './menus.ts';

/** For the two file allocation tables and the folders. */
const SPARE_BYTES = 1024 * 1024;
/** GPT partitions begin and end at such a multiple. */
const GRANULE_BYTES = 1024 * 1024;
const SECTOR_BYTES = 512;
/** FAT volume serial number: any constant will do. */
const VOLUME_SERIAL = '4446ce01';
/** Sectors a cluster: makes FAT16 of volumes up to 1 GiB, which all firmware reads. */
const CLUSTER_SECTORS = 32;

/** systemd-boot reads all entries of this folder: https://uapi-group.org/specifications/specs/boot_loader_specification */
const ENTRIES = ['1-diskferry.conf', '2-shell.conf', '3-insecure.conf'];

export interface EfiImageOptions {
  readonly target: string;
  readonly scratch: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly epoch: number;
}

/**
 * Writes the FAT volume that UEFI firmware starts from: systemd-boot, kernel and initrd. systemd-boot lets the firmware
 * load the kernel and the kernel its initrd; GRUB for UEFI holds the kernel in memory twice and a quarter of
 * the memory besides, and fails on a computer with 256 MB (ADR 5).
 */
export async function writeEfiImage(options: EfiImageOptions): Promise<void> {
  const { target, folders, scratch, epoch } = options;
  const tree = join(scratch, 'efi');
  const files = {
    'EFI/BOOT/BOOTX64.EFI': join(folders['systemd-boot-efi'], 'usr/lib/systemd/boot/efi/systemd-bootx64.efi'),
    vmlinuz: options.vmlinuz,
    initrd: options.initrd,
  };
  for (const [path, source] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await copyFile(source, join(tree, path));
  }
  await mkdir(join(tree, 'loader/entries'), { recursive: true });
  await writeFile(join(tree, 'loader/loader.conf'), await readMenu('loader.conf'));
  for (const name of ENTRIES) await writeFile(join(tree, 'loader/entries', name), await readMenu(name));
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

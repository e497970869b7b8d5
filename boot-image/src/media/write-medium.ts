import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile, hashText } from '../hash.ts';
import { SOURCE_FOLDER } from '../locations.ts';
import type { PackageName } from '../packages/package-names.ts';
import { writeIso } from './iso.ts';

const ID_DIGITS = 16;

export interface MediumOptions {
  readonly iso: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  readonly scratch: string;
  readonly folders: Readonly<Record<PackageName, string>>;
  readonly epoch: number;
}

/** Writes the ISO with an identifier of its own, by which GRUB tells it from other media in the same computer. */
export async function writeMedium({
  iso,
  vmlinuz,
  initrd,
  scratch,
  folders,
  epoch,
}: MediumOptions): Promise<void> {
  const menu = await readFile(join(SOURCE_FOLDER, 'grub/grub.cfg'), 'utf8');
  const findMedium = await readFile(join(SOURCE_FOLDER, 'grub/find-medium.cfg'), 'utf8');
  const content = [await hashFile(vmlinuz), await hashFile(initrd), menu];
  const id = hashText(content.join('\n')).slice(0, ID_DIGITS);
  await writeIso({
    target: iso,
    scratch,
    vmlinuz,
    initrd,
    menu,
    findMedium: findMedium.replaceAll('@ID@', id),
    id,
    folders,
    epoch,
  });
}

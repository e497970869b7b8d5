import type { Session } from '@diskferry/system/session';
import type { SimulatedDisk } from '@diskferry/server-adapter/simulated-disk';
import type { BootPartition } from './boot-mending.ts';
import { type VolumeFiles, withFiles } from './volume-files.ts';

/** A text of the source that has to do with its start. */
export interface BootText {
  readonly partition: number;
  /** From the root of its file system. */
  readonly path: string;
  readonly text: string;
}

/** A folder of GRUB with modules for a BIOS. */
export interface GrubFolder {
  readonly partition: number;
  /** Such as "/boot/grub", from the top of the file system. */
  readonly path: string;
  /** What grub-install last made of them; undefined if it is gone. */
  readonly core: Buffer | undefined;
  /** One of its modules, by which the version is known. */
  readonly normalModule: Buffer;
}

/** A folder with all that grub-mkimage needs for a BIOS. */
export interface GrubModules {
  readonly partition: number;
  readonly path: string;
  readonly normalModule: Buffer;
}

/** A program on a FAT volume that firmware could start. */
export interface EfiProgram {
  readonly partition: number;
  /** Such as "/EFI/debian/grubx64.efi". */
  readonly path: string;
}

/** What was found in the source's file systems. */
export interface BootSurvey {
  readonly texts: readonly BootText[];
  readonly grubFolders: readonly GrubFolder[];
  readonly grubModules: readonly GrubModules[];
  readonly efiPrograms: readonly EfiProgram[];
}

/** Where systems keep their root in a Btrfs: at its top, or in a subvolume as Debian, Ubuntu, Arch and Fedora call it. */
const ROOTS = ['', '/@rootfs', '/@', '/root'] as const;
const TEXTS = ['/etc/fstab', '/etc/crypttab', '/etc/default/grub', '/etc/kernel/cmdline'] as const;
/** Of GRUB by its makers, and by Fedora and SUSE; the first two of each on a root, the others on a /boot of its own. */
const GRUB_FOLDERS = ['/boot/grub', '/boot/grub2', '/grub', '/grub2'] as const;
const GRUB_MODULES = ['/usr/lib/grub/i386-pc', '/usr/share/grub2/i386-pc'] as const;
/** Entries of the Boot Loader Specification, of systemd-boot and of GRUB on Fedora. */
const ENTRY_FOLDERS = ['/loader/entries', '/boot/loader/entries'] as const;
const EFI_FOLDER = '/EFI';

/** Looks for everything that has to do with starting. Nothing is written but what mounting writes: a journal's replay. */
export async function surveyBoot(
  source: Pick<SimulatedDisk, 'attachPartition'>,
  partitions: readonly BootPartition[],
  session: Session,
): Promise<BootSurvey> {
  const found: BootSurvey[] = [];
  for (const partition of partitions) {
    const { fileSystem, number, sourceDevice, was } = partition;
    if (fileSystem.how !== 'files') continue;
    const device = sourceDevice ?? (await source.attachPartition(was));
    const one = await withFiles({ device, type: fileSystem.type }, session, (files) =>
      surveyVolume(files, number),
    );
    if (one !== undefined) found.push(one);
  }
  return {
    texts: found.flatMap(({ texts }) => texts),
    grubFolders: found.flatMap(({ grubFolders }) => grubFolders),
    grubModules: found.flatMap(({ grubModules }) => grubModules),
    efiPrograms: found.flatMap(({ efiPrograms }) => efiPrograms),
  };
}

async function surveyVolume(files: VolumeFiles, partition: number): Promise<BootSurvey> {
  const texts: BootText[] = [];
  const addText = async (path: string): Promise<void> => {
    const bytes = await files.read(path);
    if (bytes !== undefined) texts.push({ partition, path, text: bytes.toString('utf8') });
  };
  const grubFolders: GrubFolder[] = [];
  const grubModules: GrubModules[] = [];
  for (const root of ROOTS) {
    if (root !== '' && !(await files.has(root))) continue;
    for (const path of TEXTS) await addText(root + path);
    for (const folder of GRUB_FOLDERS) {
      const path = root + folder;
      await addText(`${path}/grub.cfg`);
      const normalModule = await files.read(`${path}/i386-pc/normal.mod`);
      if (normalModule === undefined) continue;
      grubFolders.push({ partition, path, normalModule, core: await files.read(`${path}/i386-pc/core.img`) });
    }
    for (const folder of GRUB_MODULES) {
      const path = root + folder;
      const normalModule = await files.read(`${path}/normal.mod`);
      if (normalModule === undefined || !(await files.has(`${path}/kernel.img`))) continue;
      grubModules.push({ partition, path, normalModule });
    }
    for (const folder of ENTRY_FOLDERS) {
      for (const name of await files.list(root + folder)) {
        if (name.endsWith('.conf')) await addText(`${root}${folder}/${name}`);
      }
    }
  }
  const efiPrograms: EfiProgram[] = [];
  for (const vendor of await files.list(EFI_FOLDER)) {
    const folder = `${EFI_FOLDER}/${vendor}`;
    await addText(`${folder}/grub.cfg`);
    const names = [folder, `${folder}/Boot`];
    for (const place of names) {
      for (const name of await files.list(place)) {
        if (name.toLowerCase().endsWith('.efi')) efiPrograms.push({ partition, path: `${place}/${name}` });
      }
    }
  }
  return { texts, grubFolders, grubModules, efiPrograms };
}

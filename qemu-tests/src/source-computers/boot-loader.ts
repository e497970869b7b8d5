import { access, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskferryError } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';
import { EMULATION_WORD } from './emulation.ts';
import { grubPath, type RootFileSystem, rootFacts } from './root-file-system.ts';

const GRUB_FOLDER = '/usr/lib/grub';
const PACKAGE = { 'i386-pc': 'grub-pc-bin', 'x86_64-efi': 'grub-efi-amd64-bin' } as const;
export type GrubPlatform = keyof typeof PACKAGE;

const SECTOR = 512;
/** The boot sector's code ends where the disk signature and the partition table begin. */
const BOOT_CODE_BYTES = 440;

interface Root {
  readonly rootUuid: string;
  readonly rootFileSystem: RootFileSystem;
}

/** The menu of a source computer: one entry, started at once, seen on screen and serial line. */
export function grubMenu({ rootUuid, rootFileSystem }: Root): string {
  const { subvolume } = rootFacts(rootFileSystem);
  const words = subvolume === undefined ? '' : ` rootflags=subvol=${subvolume}`;
  return `serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
menuentry "Debian" {
  search --no-floppy --fs-uuid --set=root ${rootUuid}
  linux ${grubPath(rootFileSystem, '/vmlinuz')} root=UUID=${rootUuid}${words} ro console=tty0 console=ttyS0,115200 quiet mitigations=off fsck.mode=skip ${EMULATION_WORD}
  initrd ${grubPath(rootFileSystem, '/initrd.img')}
}
`;
}

/** The folder of GRUB's modules. */
export async function grubModules(platform: GrubPlatform): Promise<string> {
  const folder = join(GRUB_FOLDER, platform);
  await access(join(folder, 'kernel.img')).catch(() => {
    throw new DiskferryError(
      'GRUB_MISSING',
      `GRUB for ${platform} is not installed; install it with: apt-get install ${PACKAGE[platform]}`,
    );
  });
  return folder;
}

/**
 * Puts GRUB into the boot sector and the gap behind it, as grub-install does on an MBR disk: boot.img loads the
 * sector 1, whose block list says that the rest follows (GRUB's boot.S and diskboot.S have these as defaults).
 */
export async function installBiosGrub(
  disk: string,
  corePath: string,
  rootFileSystem: RootFileSystem,
): Promise<void> {
  const folder = await grubModules('i386-pc');
  await makeGrubImage('i386-pc', {
    output: corePath,
    prefix: `(,msdos1)${grubPath(rootFileSystem, '/boot/grub')}`,
    modules: ['biosdisk', 'part_msdos', rootFacts(rootFileSystem).grubModule],
  });
  const bootSector = await readFile(join(folder, 'boot.img'));
  const core = await readFile(corePath);
  await using file = await open(disk, 'r+');
  await file.write(bootSector.subarray(0, BOOT_CODE_BYTES), 0, BOOT_CODE_BYTES, 0);
  await file.write(core, 0, core.length, SECTOR);
}

/** Makes GRUB's EFI program, which reads EFI/debian/grub.cfg beside itself, as Debian's does. */
export async function makeEfiGrub(output: string, rootFileSystem: RootFileSystem): Promise<void> {
  await grubModules('x86_64-efi');
  await makeGrubImage('x86_64-efi', {
    output,
    prefix: '/EFI/debian',
    modules: [
      'part_gpt',
      'fat',
      rootFacts(rootFileSystem).grubModule,
      'normal',
      'configfile',
      'search',
      'search_fs_uuid',
      'linux',
      'serial',
      'efi_gop',
    ],
  });
}

/** The menu beside GRUB's EFI program: leads to the one of the system. */
export function efiMenu({ rootUuid, rootFileSystem }: Root): string {
  const folder = grubPath(rootFileSystem, '/boot/grub');
  return `search.fs_uuid ${rootUuid} root\nset prefix=($root)${folder}\nconfigfile $prefix/grub.cfg\n`;
}

async function makeGrubImage(
  platform: GrubPlatform,
  { output, prefix, modules }: { output: string; prefix: string; modules: readonly string[] },
): Promise<void> {
  const folder = join(GRUB_FOLDER, platform);
  await run(['grub-mkimage', '-d', folder, '-O', platform, '-o', output, '-p', prefix, ...modules]);
}

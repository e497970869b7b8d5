import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';

const DISK_BYTES = 16 * 1024 * 1024;
/** The platform's own name for what UEFI firmware starts from a disk that nobody registered. */
const FALLBACK_FOLDERS = ['::/EFI', '::/EFI/BOOT'];
const FALLBACK_FILE = '::/EFI/BOOT/BOOTX64.EFI';
/** What shim looks for beside itself. */
const SIGNED_GRUB_FILE = '::/EFI/BOOT/grubx64.efi';
/** Where Debian's signed GRUB for the network reads its configuration, from whatever it was started. */
const GRUB_FOLDER = '::/grub';

/** Makes a UEFI program that says a few words on the serial line and rests, for tests: GRUB, with a line of its own. */
export async function makeTalkingProgram(path: string, words: string): Promise<void> {
  const settings = `${path}.cfg`;
  await writeFile(
    settings,
    `serial --unit=0 --speed=115200\nterminal_output serial\necho ${words}\nsleep 100000\n`,
  );
  const modules = ['serial', 'terminal', 'echo', 'sleep'];
  await run(['grub-mkimage', '-O', 'x86_64-efi', '-p', '/', '-c', settings, '-o', path, ...modules]);
}

/** Makes a disk that UEFI firmware starts from: a FAT file system without a partition table, with such a program. */
export async function makeTalkingUefiDisk(path: string, words: string, folder: string): Promise<void> {
  const program = join(folder, 'disk.efi');
  await makeTalkingProgram(program, words);
  await formatUefiDisk(path);
  await run(['mcopy', '-i', path, program, FALLBACK_FILE]);
}

/**
 * The same for firmware that enforces Secure Boot: Debian's signed shim and GRUB, which says the words.
 *
 * @param signed the folder with `shimx64.efi` and `grubx64.efi`
 */
export async function makeSignedTalkingDisk(
  path: string,
  words: string,
  { folder, signed }: { readonly folder: string; readonly signed: string },
): Promise<void> {
  const settings = join(folder, 'signed-disk.cfg');
  await writeFile(settings, `echo ${words}\nsleep 100000\n`);
  await formatUefiDisk(path);
  await run(['mmd', '-i', path, GRUB_FOLDER]);
  const copies = {
    [join(signed, 'shimx64.efi')]: FALLBACK_FILE,
    [join(signed, 'grubx64.efi')]: SIGNED_GRUB_FILE,
    [settings]: `${GRUB_FOLDER}/grub.cfg`,
  };
  for (const [from, to] of Object.entries(copies)) await run(['mcopy', '-i', path, from, to]);
}

async function formatUefiDisk(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, DISK_BYTES);
  await run(['mformat', '-i', path, '::']);
  await run(['mmd', '-i', path, ...FALLBACK_FOLDERS]);
}

import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';

/** How long a person may read what is on the screen, in s. */
const READING_SECONDS = 10;

/** Signed loaders of systems at their usual places; the last is what firmware takes from a disk that it does not know. */
const DISK_LOADERS = [
  '/EFI/Microsoft/Boot/bootmgfw.efi',
  '/EFI/debian/shimx64.efi',
  '/EFI/ubuntu/shimx64.efi',
  '/EFI/fedora/shimx64.efi',
  '/EFI/redhat/shimx64.efi',
  '/EFI/opensuse/shim.efi',
  '/EFI/BOOT/BOOTX64.EFI',
];

/** Our TFTP server, as GRUB names it. */
export interface GrubServer {
  readonly address: string;
  readonly port: number;
}

/**
 * What GRUB reads first, the same for all machines. It asks our server what to do with what only the machine itself knows, again
 * and again: an answer that says where to go on never comes back here.
 */
export function askingConfiguration(server: GrubServer): string {
  return lines([
    // The module would read kernel and initrd into memory a second time, to measure them.
    'rmmod tpm',
    'set pager=0',
    'smbios --type 1 --get-uuid 8 --set uuid',
    'while true; do',
    `  source ${place(server, 'machine/$net_default_mac/$uuid')}`,
    `  echo "diskferry: this computer could not be started; trying again in ${READING_SECONDS} s"`,
    `  sleep ${READING_SECONDS}`,
    'done',
  ]);
}

export interface BootConfigurationOptions {
  readonly server: GrubServer;
  /** What lets it load kernel and initrd. */
  readonly pass: string;
  /** Further words of the kernel command line. */
  readonly kernelWords: string;
}

/** Boots the secondary OS. */
export function bootConfiguration({ server, pass, kernelWords }: BootConfigurationOptions): string {
  // Quoted, because a semicolon in a word would end the command.
  const words = `${KERNEL_WORDS} ${kernelWords}`.split(' ').filter((word) => word !== '');
  const command = words.map((word) => `'${word}'`).join(' ');
  return lines([
    'echo "diskferry: loading the imaging client"',
    `if linux ${place(server, `boot/${pass}/vmlinuz`)} ${command}; then`,
    `  if initrd ${place(server, `boot/${pass}/initrd`)}; then boot; fi`,
    'fi',
  ]);
}

/**
 * Starts what is on a disk. Machines that shall do that get no GRUB in the first place; this is for those whose rule has changed
 * since. GRUB cannot end with a failure, after which firmware would go on, so it starts the disk's own loader.
 */
export function localConfiguration(): string {
  return lines(['echo "diskferry: this computer starts from its own disk"', ...startingFromDisk()]);
}

/** Says so on the screen, and goes on from a disk. */
export function refusalConfiguration(mac: string): string {
  return lines([
    `echo "diskferry: this server does not start this computer (${mac})."`,
    `echo "To change that, on the server: diskferry pxe allow ${mac} --secure-boot"`,
    `sleep ${READING_SECONDS}`,
    ...startingFromDisk(),
  ]);
}

/** Without any loader on a disk the firmware shows its menu. */
function startingFromDisk(): string[] {
  return [
    `for loader in ${DISK_LOADERS.join(' ')}; do`,
    '  if search --no-floppy --file --set=root $loader; then',
    '    if chainloader $loader; then boot; fi',
    '  fi',
    'done',
    'exit',
  ];
}

function place({ address, port }: GrubServer, path: string): string {
  return `"(tftp,${address}:${port})/${path}"`;
}

function lines(texts: readonly string[]): string {
  return `${texts.join('\n')}\n`;
}

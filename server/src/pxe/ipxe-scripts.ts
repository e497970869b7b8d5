import { KERNEL_WORDS } from '@diskferry/system/medium/kernel-words';

/** How long a person may read what is on the screen, in s. */
const READING_SECONDS = 10;

/**
 * The first script that iPXE gets. It asks again with what only the machine itself knows. `netX` is the card from which it has
 * started.
 */
export function askingScript(httpUrl: string): string {
  const facts = [
    'mac=${netX/mac:hexhyp}',
    'uuid=${uuid}',
    'platform=${platform}',
    'manufacturer=${manufacturer:uristring}',
    'product=${product:uristring}',
    'serial=${serial:uristring}',
  ];
  return script([`chain --replace ${httpUrl}/machine?${facts.join('&')}`]);
}

export interface BootScriptOptions {
  readonly httpUrl: string;
  /** Where kernel and initrd are, without a slash at the end. */
  readonly filesUrl: string;
  /** Further words of the kernel command line. */
  readonly kernelWords: string;
}

/** Boots the secondary OS. A machine that cannot load it asks again, until somebody decides otherwise. */
export function bootScript({ httpUrl, filesUrl, kernelWords }: BootScriptOptions): string {
  return script([
    'echo diskferry: loading the imaging client',
    // The kernel of a UEFI machine fetches the initrd itself, by this name.
    `kernel ${filesUrl}/vmlinuz ${[KERNEL_WORDS, kernelWords].join(' ').trim()} initrd=initrd || goto failed`,
    `initrd --name initrd ${filesUrl}/initrd || goto failed`,
    'boot || goto failed',
    ':failed',
    'imgfree',
    `echo diskferry: the imaging client could not be started; trying again in ${READING_SECONDS} s`,
    `sleep ${READING_SECONDS}`,
    `chain --replace ${httpUrl}/ipxe`,
  ]);
}

/**
 * Starts what is on the first disk. On a BIOS iPXE does it: a machine that is set to start from the network alone would
 * never get to its disk otherwise. UEFI firmware knows its own entries, and goes on to the next one after a failure only.
 */
export function localScript(): string {
  return script([
    'echo diskferry: this computer starts from its own disk',
    'iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 ||',
    'exit 1',
  ]);
}

/** Says so on the screen and lets the firmware go on. */
export function refusalScript(mac: string): string {
  return script([
    `echo diskferry: this server does not start this computer (${mac}).`,
    `echo To change that, on the server: diskferry pxe allow ${mac}`,
    `sleep ${READING_SECONDS}`,
    'exit 1',
  ]);
}

function script(lines: readonly string[]): string {
  return `#!ipxe\n${lines.join('\n')}\n`;
}

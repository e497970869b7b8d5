import { closeSync, openSync } from 'node:fs';
import { libc } from '../native/libc.ts';
import { LeaveError } from './leave-error.ts';

/** Number of kexec_file_load, the call that checks signatures, by Node's name of the architecture. */
const KEXEC_FILE_LOAD: Readonly<Record<string, bigint>> = { x64: 320n, arm64: 294n };
/** LINUX_REBOOT_CMD_KEXEC of the kernel's reboot.h, as a signed number. */
const REBOOT_KEXEC = 0x45584543;

const REASONS: Readonly<Record<string, string>> = {
  ENOSYS: 'the kernel of this medium cannot',
  EPERM: 'the kernel of this medium does not allow it',
  ENOEXEC: 'it is no kernel for this computer',
  ENOMEM: 'there is too little memory',
  EADDRNOTAVAIL: 'there is too little memory',
  EKEYREJECTED: 'Secure Boot takes only signed kernels, and its signature is not known here',
  ENODATA: 'Secure Boot takes only signed kernels, and it has no signature',
  ENOKEY: 'Secure Boot takes only signed kernels, and its signature is not known here',
};

/**
 * Loads a kernel into the running one, which copies it and checks its signature under Secure Boot.
 *
 * @throws {LeaveError}
 */
export function loadKernel(
  files: { readonly kernel: string; readonly initrd: string },
  commandLine: string,
): void {
  const call = KEXEC_FILE_LOAD[process.arch];
  if (libc === undefined || call === undefined) throw refusal('this client has no way to');
  const words = Buffer.from(`${commandLine}\0`);
  const descriptors = [files.kernel, files.initrd].map(open);
  const [kernel = -1, initrd = -1] = descriptors;
  try {
    const result = libc.syscall(call, BigInt(kernel), BigInt(initrd), BigInt(words.length), words, 0n);
    if (result !== 0n) throw refusal(reasonOf(libc.errorName()));
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor);
  }
}

/**
 * Ends this system and starts the kernel that was loaded. Returns only with an error.
 *
 * @throws {LeaveError}
 */
export function startLoadedKernel(): void {
  if (libc === undefined) throw refusal('this client has no way to');
  libc.reboot(REBOOT_KEXEC);
  throw refusal(`no kernel is loaded (${libc.errorName()})`);
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    throw refusal(`${path} was not sent`);
  }
}

function reasonOf(code: string): string {
  return `${REASONS[code] ?? 'it refuses'} (${code})`;
}

function refusal(reason: string): LeaveError {
  return new LeaveError(`the kernel of the disk cannot be started: ${reason}`);
}

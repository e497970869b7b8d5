import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setBootNext } from './boot-next.ts';
import { ejectDrives } from './eject-drives.ts';
import { startLoadedKernel } from './load-kernel.ts';
import { LeaveError } from './leave-error.ts';

/** Programs of the secondary OS, in the root file system of the boot image. */
const SCRIPT = 'usr/lib/diskferry/leave';
/** A script that hangs must not keep the person waiting, in ms; reading partition tables again takes seconds. */
const SCRIPT_TIMEOUT_MS = 60_000;

/** How the computer leaves the secondary OS. */
export type Leaving =
  /** As the firmware has it. */
  | 'reboot'
  | 'power-off'
  /** By a restart from the disk, not from the medium again. */
  | 'local-disk'
  /** At once, into the kernel that the server has sent. */
  | 'kexec';

export interface LeaveOptions {
  /** Where the secondary OS lies, for tests. */
  readonly root?: string;
  /** Tells what the computer is about to do. */
  readonly say?: (text: string) => void;
  /** Starts the kernel that was loaded; tests must not. */
  readonly startKernel?: () => void;
}

/**
 * Leaves the secondary OS: when it returns, the system is ending.
 *
 * @throws {LeaveError}
 */
export async function leave(
  how: Leaving,
  { root = '/', say = () => {}, startKernel = startLoadedKernel }: LeaveOptions = {},
): Promise<void> {
  switch (how) {
    case 'local-disk':
      await runScript(root, 'prepare');
      say(chooseDisk(root));
      ejectDrives(root);
      return runScript(root, 'reboot');
    case 'kexec':
      await runScript(root, 'prepare-kexec');
      return startKernel();
    case 'reboot':
    case 'power-off':
      return runScript(root, how);
  }
}

/** What cannot be arranged is said and is no reason to stay: the firmware's own order may lead to the disk, too. */
function chooseDisk(root: string): string {
  try {
    const entry = setBootNext(root);
    if (entry === undefined) return "The firmware's own order decides what is started.";
    return `The firmware starts "${entry.option.description.trim()}" next.`;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `The firmware takes no order what to start (${reason}): its own order decides.`;
  }
}

/** Whether this is a secondary OS at all, and not a computer on which somebody tries the client. */
export function canLeave(root = '/'): boolean {
  return existsSync(join(root, SCRIPT));
}

/** Not by the server's `run`, which the client does not have. */
function runScript(root: string, word: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { timeout: SCRIPT_TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } };
  execFile(join(root, SCRIPT), [word], options, (error, _, stderr) => {
    if (error === null) return resolve();
    const reason = stderr.trim() || error.message;
    reject(new LeaveError(`the computer cannot leave (${word}): ${reason}`, { cause: error }));
  });
  return promise;
}

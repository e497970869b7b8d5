import { constants, mkdirSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

/** A device that is busy for longer is really in use. */
const BUSY_ATTEMPTS = 5;
const BUSY_WAIT_MS = 100;
/** How long a device is waited for that a foreign mount namespace holds, in ms. */
const FREE_WITHIN_MS = 5_000;
const FREE_WAIT_MS = 20;

let counter = 0;

export interface MountOptions {
  readonly type: string;
  /** As `mount -o` takes them. */
  readonly options: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** The contents of the disk come from a stranger: nothing on it may act on this server. */
const HARMLESS = ['nosuid', 'nodev', 'noexec'];

/**
 * Mounts a device under the session's folder for the time of one piece of work, and unmounts it whatever happens.
 *
 * @throws {CommandError} when the kernel refuses the file system
 */
export async function withMount<T>(
  session: Session,
  device: string,
  { type, options, signal }: MountOptions,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const path = join(session.folder, `mount-${counter++}`);
  const folder = { kind: 'directory', path } as const;
  const mount = { kind: 'mount', path } as const;
  session.hold(folder);
  mkdirSync(path);
  session.hold(mount);
  try {
    const optionText = [...HARMLESS, ...options].join(',');
    await mountWhenFree(['mount', '-t', type, '-o', optionText, device, path], signal);
    return await work(path);
  } finally {
    await session.release(mount);
    await session.release(folder);
    await whenFree(device);
  }
}

/**
 * Waits, but not for ever, until a device is free whose file system was unmounted. A mount namespace that some process of
 * this machine makes begins with a copy of all mounts: one that is unmounted here stays alive there, and its device busy,
 * until that copy is let go (`inMountNamespace`). Never rejects: who wants the device is told whether it is in use.
 */
export async function whenFree(device: string): Promise<void> {
  for (const deadline = Date.now() + FREE_WITHIN_MS; Date.now() < deadline; await sleep(FREE_WAIT_MS)) {
    if (!(await isBusy(device)) || (await isMountedHere(device))) return;
  }
}

async function isBusy(device: string): Promise<boolean> {
  try {
    // Of a block device, the kernel refuses this while it belongs to a file system: open(2).
    await (await open(device, constants.O_RDONLY | constants.O_EXCL)).close();
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBUSY';
  }
}

async function isMountedHere(device: string): Promise<boolean> {
  return (await readFile('/proc/self/mountinfo', 'utf8')).includes(` ${device} `);
}

/**
 * Runs a mount command, again where the device is busy for a moment: whoever looks for a free loop device, in any process
 * of this machine, claims one that was free a moment ago, for some microseconds.
 *
 * @throws {CommandError} when the kernel refuses the file system
 */
export async function mountWhenFree(
  command: readonly [string, ...string[]],
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run(command, { signal });
      return;
    } catch (error) {
      const isBusy =
        error instanceof CommandError && error.stderr.includes('already mounted or mount point busy');
      if (!isBusy || attempt === BUSY_ATTEMPTS) throw error;
      await sleep(BUSY_WAIT_MS, undefined, { signal });
    }
  }
}

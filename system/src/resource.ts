import { existsSync, readFileSync } from 'node:fs';
import { open, rm, rmdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, findByArgument } from './process-identity.ts';
import { run } from './run.ts';

/**
 * Something outside this process that must be given back. Resources are plain data, so that the same release
 * serves the normal end, an error, and the clean-up after a killed process.
 */
export type Resource =
  /** A mount point; written down before mounting. */
  | { readonly kind: 'mount'; readonly path: string }
  /**
   * All loop devices on that backing file or device; written down before the loop device exists. Where the backing is a
   * loop device itself, `within` is its own backing file: the name of a loop device may be another disk's by now.
   */
  | { readonly kind: 'loop'; readonly backing: string; readonly within?: string }
  /** A device of device-mapper, by its name; written down before it exists. */
  | { readonly kind: 'mapping'; readonly name: string }
  /** A kernel NBD device such as /dev/nbd0. */
  | { readonly kind: 'nbd'; readonly device: string }
  | { readonly kind: 'process'; readonly pid: number; readonly startTime: string; readonly name: string }
  /**
   * A process that detaches itself from its parent, known by an argument that no other process has (such as the path
   * of its pid file inside the session's folder); written down before it is started.
   */
  | { readonly kind: 'daemon'; readonly argument: string; readonly name: string }
  /** A file that is deleted at the end: a scratch file or a half-made image. */
  | { readonly kind: 'file'; readonly path: string }
  /** A directory that is removed at the end, only if it is empty. */
  | { readonly kind: 'directory'; readonly path: string };

/** How often and how long to try again while a mount or device is still busy, in ms. */
const BUSY_RETRIES = 25;
const BUSY_WAIT_MS = 200;

/** Gives one resource back; does nothing if it is already gone. */
export async function release(resource: Resource): Promise<void> {
  switch (resource.kind) {
    case 'mount':
      return unmount(resource.path);
    case 'loop':
      if (resource.within !== undefined && backingFileOf(resource.backing) !== resource.within) return;
      return detachLoops(resource.backing);
    case 'mapping':
      return removeMapping(resource.name);
    case 'nbd':
      return disconnectNbd(resource.device);
    case 'process':
      await endProcess(resource);
      return;
    case 'daemon':
      await Promise.all(findByArgument(resource.argument).map(endProcess));
      return;
    case 'file':
      return rm(resource.path, { force: true });
    case 'directory':
      return removeDirectory(resource.path);
  }
}

/** A resource in words, for messages and logs. */
export function describeResource(resource: Resource): string {
  switch (resource.kind) {
    case 'mount':
      return `mount ${resource.path}`;
    case 'loop':
      return `loop device of ${resource.backing}`;
    case 'mapping':
      return `mapped device ${resource.name}`;
    case 'nbd':
      return `network block device ${resource.device}`;
    case 'process':
      return `process ${resource.pid} (${resource.name})`;
    case 'daemon':
      return `process ${resource.name} (${resource.argument})`;
    case 'file':
    case 'directory':
      return `${resource.kind} ${resource.path}`;
  }
}

async function unmount(path: string): Promise<void> {
  for (let attempt = 0; isMounted(path); attempt++) {
    // The last resort: the mount vanishes from the tree now, and from memory when its last user ends.
    const command =
      attempt < BUSY_RETRIES ? (['umount', path] as const) : (['umount', '--lazy', path] as const);
    const { exitCode } = await run(command, { okExitCodes: [0, 1, 32] });
    if (exitCode !== 0) await sleep(BUSY_WAIT_MS);
    if (attempt > BUSY_RETRIES) return;
  }
}

/** Whether something is mounted at exactly this path. */
export function isMounted(path: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => unescapeOctal(line.split(' ')[4] ?? '') === path);
}

/** mountinfo writes space, tab, newline and backslash as three octal digits (proc(5)). */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

async function disconnectNbd(device: string): Promise<void> {
  // The kernel shows the process that connected the device as long as it is connected.
  if (!existsSync(`/sys/block/${basename(device)}/pid`)) return;
  await run(['sync', device], { okExitCodes: [0, 1] });
  await run(['nbd-client', '-d', device]);
}

async function removeMapping(name: string): Promise<void> {
  // Fails too where the kernel has no device-mapper, and so no such device.
  const { exitCode } = await run(['dmsetup', 'info', name], { okExitCodes: [0, 1] });
  if (exitCode === 0) await run(['dmsetup', 'remove', '--retry', name]);
}

async function detachLoops(backing: string): Promise<void> {
  for (const device of await loopDevicesOf(backing)) {
    for (let attempt = 0; attempt < BUSY_RETRIES; attempt++) {
      await detachLoop(device, backing);
      if (backingFileOf(device) !== backing) break;
      await sleep(BUSY_WAIT_MS);
    }
  }
}

/**
 * Detaches a loop device if it is still made on that backing. It is held open meanwhile, and goes when it is closed: a
 * device that nobody has open can be detached and made on another file, by another process, at any moment.
 */
async function detachLoop(device: string, backing: string): Promise<void> {
  const held = await open(device, 'r').catch(() => undefined);
  if (held === undefined) return;
  try {
    if (backingFileOf(device) !== backing) return;
    // Detaching alone writes the cache but does not bring it to stable storage. A dead backing file fails this (1).
    await run(['sync', device], { okExitCodes: [0, 1] });
    await run(['losetup', '--detach', device], { okExitCodes: [0, 1] });
  } finally {
    await held.close();
  }
}

async function loopDevicesOf(backing: string): Promise<string[]> {
  const { stdout } = await run(['losetup', '--json', '--list', '--output', 'NAME,BACK-FILE']);
  if (stdout.trim() === '') return [];
  const list = JSON.parse(stdout) as { loopdevices: { name: string; 'back-file': string | null }[] };
  // The kernel appends " (deleted)" when the backing file was unlinked.
  return list.loopdevices
    .filter(({ 'back-file': file }) => file === backing || file === `${backing} (deleted)`)
    .map(({ name }) => name);
}

/** What a loop device such as /dev/loop3 is made on; undefined for one that is free and for all other devices. */
export function backingFileOf(device: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${basename(device)}/loop/backing_file`, 'utf8').replace(
      /( \(deleted\))?\n$/,
      '',
    );
  } catch {
    return undefined;
  }
}

async function removeDirectory(path: string): Promise<void> {
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTEMPTY') throw error;
  });
}

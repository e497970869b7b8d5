import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { inMountNamespace } from '@diskferry/system/mount-namespace';
import { CommandError, run } from '@diskferry/system/run';
import { sysfsFolderOf } from './block-device.ts';
import { FileSystemError } from './errors.ts';
import type { CopyContext } from './file-system.ts';
import { holdWhileRunning } from './held-process.ts';
import { whenFree, withMount } from './mount.ts';
import { trimFreeSpace } from './trim.ts';

const PROGRESS_INTERVAL_MS = 250;
/** Fields of /sys/block/.../stat: the seventh counts written sectors of 512 bytes. */
const WRITTEN_FIELD = 6;
const STAT_SECTOR = 512;

/**
 * Moves all contents of a Btrfs to another device by the kernel's own relocation: the source becomes a seed, which
 * nothing is written to; the destination is added to it; the seed is removed. Afterwards the destination holds all
 * subvolumes, snapshots, shared extents, compressed extents, inode numbers and quota groups, under a UUID that the
 * kernel chose.
 *
 * @throws {FileSystemError} `DESTINATION_FULL`, `READ_FAILED`
 */
export async function moveBySeed(source: string, destination: string, context: CopyContext): Promise<void> {
  const { session, signal } = context;
  await run(['btrfstune', '-S', '1', source], { signal });
  try {
    const mountOptions = { type: 'btrfs', options: ['noatime'], signal };
    await withMount(session, source, mountOptions, async (folder) => {
      await run(['btrfs', 'device', 'add', '-f', '-K', destination, folder], { signal });
      await run(['mount', '-o', 'remount,rw', folder], { signal });
      await removeSource(source, destination, folder, context);
      await trimFreeSpace(folder, context);
    });
  } finally {
    // Where it was mounted from was the source, and is the destination now.
    await whenFree(destination);
    await forgetDevices([source, destination]);
    // What was a seed only for this move can be read as before.
    await run(['btrfstune', '-f', '-S', '0', source], { okExitCodes: [0, 1] });
    await forgetDevices([source]);
  }
}

/** Here the contents move. The kernel ends it when it is asked to; a signal to the program alone does not. */
async function removeSource(
  source: string,
  destination: string,
  folder: string,
  { session, signal, onProgress }: CopyContext,
): Promise<void> {
  const held = holdWhileRunning(session, 'btrfs');
  const before = await writtenBytes(destination);
  const ended = new AbortController();
  const reports = (async () => {
    while (!ended.signal.aborted) {
      onProgress((await writtenBytes(destination)) - before);
      await sleep(PROGRESS_INTERVAL_MS, undefined, { signal: ended.signal }).catch(() => {});
    }
  })();
  // What goes wrong there is told at the end.
  reports.catch(() => {});
  const cancel = (): void => void cancelRemoval(folder, ended.signal);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    signal?.throwIfAborted();
    await run(['btrfs', 'device', 'remove', source, folder], { onStart: held.start });
    await run(['sync', '--file-system', folder], { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error);
  } finally {
    held.end();
    ended.abort();
    signal?.removeEventListener('abort', cancel);
    await reports;
  }
}

/** Asks again while the removal runs: a request that comes before it has begun is refused. Never rejects. */
async function cancelRemoval(folder: string, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await run(['btrfs', 'device', 'remove', 'cancel', folder]).catch(() => {});
    await sleep(PROGRESS_INTERVAL_MS, undefined, { signal: ended }).catch(() => {});
  }
}

async function writtenBytes(device: string): Promise<number> {
  const text = await readFile(`${await sysfsFolderOf(device)}/stat`, 'utf8');
  return Number(text.trim().split(/\s+/)[WRITTEN_FIELD]) * STAT_SECTOR;
}

function explain(error: unknown): unknown {
  if (!(error instanceof CommandError) || error.code !== 'COMMAND_FAILED') return error;
  if (error.stderr.includes('No space left on device')) {
    const message = 'the destination is full, the contents of the Btrfs file system do not fit into it';
    return new FileSystemError('DESTINATION_FULL', message, { cause: error });
  }
  if (error.stderr.includes('Input/output error')) {
    const message =
      'the Btrfs file system cannot be read completely: a block is unreadable or its checksum is wrong; ' +
      'find the files with "btrfs scrub", or copy the partition as sectors';
    return new FileSystemError('READ_FAILED', message, { cause: error });
  }
  return error;
}

/**
 * Takes devices out of the kernel's list of Btrfs devices. There, devices with one UUID count as parts of one file
 * system: a source or a twin that stays in it would get into the next mount of the other.
 */
export async function forgetDevices(devices: readonly string[]): Promise<void> {
  // Where there is udev, it registers a device again after every write. Where there is none, nothing does.
  await run(['udevadm', 'settle'], { okExitCodes: [0, 1], timeoutMs: 10_000 }).catch(() => {});
  for (const device of devices) {
    await run(['btrfs', 'device', 'scan', '--forget', device], { okExitCodes: [0, 1] });
  }
}

/**
 * Gives an unmounted Btrfs another UUID, in all its metadata. btrfstune refuses a UUID that another device of the
 * computer has, which is the source: so it gets a /dev of its own that holds nothing but this device.
 */
export async function changeUuid(device: string, uuid: string, signal?: AbortSignal): Promise<void> {
  const [major = '', minor = ''] = (await readFile(`${await sysfsFolderOf(device)}/dev`, 'utf8'))
    .trim()
    .split(':');
  const script =
    'mount -t tmpfs tmpfs /dev && mknod /dev/null c 1 3 && mknod /dev/twin b "$1" "$2" && exec btrfstune -f -U "$3" /dev/twin';
  await run(inMountNamespace(script, [major, minor, uuid]), { signal });
  await forgetDevices([device]);
}

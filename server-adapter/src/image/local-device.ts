import { constants, openSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { SectorSize } from '@diskferry/protocol/disk';
import { DiskferryError, messageOf } from '@diskferry/system/errors';
import { run } from '@diskferry/system/run';

/**
 * A block device of this server that cannot be used. Codes: `DEVICE_MISSING`, `DEVICE_BUSY`, `DEVICE_READ_ONLY`,
 * `DEVICE_EMPTY`.
 */
export class DeviceError extends DiskferryError {}

export interface LocalDevice {
  readonly sectorSize: SectorSize;
  /** Bytes. */
  readonly size: number;
}

/**
 * Looks at a block device of this server, and whether it may be used.
 *
 * @throws {DeviceError} when there is none, somebody uses it, it is write-protected but shall be written, or has no sectors
 */
export async function inspectDevice(
  path: string,
  { writable }: { readonly writable: boolean },
): Promise<LocalDevice> {
  const number = deviceNumber(path);
  if (number === undefined) {
    throw new DeviceError('DEVICE_MISSING', `${path} is no block device of this computer`);
  }
  const user = userOf(number, { writable });
  if (user !== undefined) throw new DeviceError('DEVICE_BUSY', `${path} cannot be used: ${user}`);
  const { stdout } = await run(['blockdev', '--getss', '--getpbsz', '--getsize64', '--getro', path]);
  const [logical = 0, physical = 0, size = 0, readOnly = 0] = stdout.trim().split('\n').map(Number);
  if (size < logical || size === 0) {
    throw new DeviceError(
      'DEVICE_EMPTY',
      `${path} has ${size} bytes, which is no whole sector; does it hold a medium?`,
    );
  }
  if (writable && readOnly !== 0) {
    throw new DeviceError('DEVICE_READ_ONLY', `${path} is write-protected, so nothing can be written to it`);
  }
  return { sectorSize: { logical, physical }, size };
}

/**
 * Keeps everybody else from mounting a block device, or using it in another way that the kernel knows of, until this
 * process ends.
 *
 * @throws {DeviceError} `DEVICE_BUSY` when somebody does so already
 */
export function claimDevice(path: string): void {
  try {
    // Without O_CREAT, O_EXCL means for a block device: fail with EBUSY while it is in use (open(2)).
    openSync(path, constants.O_RDONLY | constants.O_EXCL);
  } catch (cause) {
    const message = `${path} cannot be used: ${messageOf(cause)}; another program works with it`;
    throw new DeviceError('DEVICE_BUSY', message, { cause });
  }
}

/** "major:minor" of a block device; undefined for anything else. */
function deviceNumber(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isBlockDevice() !== true) return undefined;
  // <sys/sysmacros.h>: the low 8 bits of the minor number, 12 of the major one, the rest of the minor one.
  const { rdev } = found;
  const major = Math.floor(rdev / 2 ** 8) % 2 ** 12;
  const minor = (rdev % 2 ** 8) + Math.floor(rdev / 2 ** 20) * 2 ** 8;
  return `${major}:${minor}`;
}

/** Who uses a device or a part of it, as a sentence that says what to do; undefined for nobody. */
function userOf(number: string, { writable }: { readonly writable: boolean }): string | undefined {
  const folder = realpathSync(`/sys/dev/block/${number}`);
  const numbers = new Set([number, ...partitionNumbers(folder)]);
  return (
    mountOf(numbers, { writable }) ??
    swapOf(numbers) ??
    [folder, ...partitionFolders(folder)].map(holderOf).find((holder) => holder !== undefined) ??
    loopOf(numbers)
  );
}

function partitionFolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.startsWith(basename(folder)))
    .map(({ name }) => join(folder, name));
}

function partitionNumbers(folder: string): string[] {
  return partitionFolders(folder).map((partition) => readFileSync(join(partition, 'dev'), 'utf8').trim());
}

/** proc(5), mountinfo: 2 device number; 4 mount point; behind " - " type, device, options of the file system. */
function mountOf(
  numbers: ReadonlySet<string>,
  { writable }: { readonly writable: boolean },
): string | undefined {
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) {
    const [before = '', behind = ''] = line.split(' - ');
    const [, , device = '', , mountPoint = ''] = before.split(' ');
    const [, name = '', options = ''] = behind.split(' ');
    // Btrfs shows a number of its own.
    const isThere = numbers.has(device) || numbers.has(deviceNumber(name) ?? '');
    const mayStay = !writable && options.split(',').includes('ro');
    if (isThere && !mayStay) return `${name} is mounted on ${mountPoint}; unmount it first`;
  }
  return undefined;
}

function swapOf(numbers: ReadonlySet<string>): string | undefined {
  const [, ...lines] = readFileSync('/proc/swaps', 'utf8').trim().split('\n');
  const path = lines
    .map((line) => line.split(/\s+/)[0] ?? '')
    .find((path) => numbers.has(deviceNumber(path) ?? ''));
  return path === undefined
    ? undefined
    : `${path} is swap space in use; end that with "swapoff ${path}" first`;
}

/** Device mapper, md and bcache show what they lie on. */
function holderOf(folder: string): string | undefined {
  const [holder] = readdirSync(join(folder, 'holders'));
  if (holder === undefined) return undefined;
  return `${basename(folder)} is part of /dev/${holder}; stop that volume, array or encryption first`;
}

/** A loop device is not among the holders of what it lies on. */
function loopOf(numbers: ReadonlySet<string>): string | undefined {
  for (const name of readdirSync('/sys/block').filter((name) => name.startsWith('loop'))) {
    const backing = backingFileOf(name);
    if (backing !== undefined && numbers.has(deviceNumber(backing) ?? '')) {
      return `${backing} carries /dev/${name}; detach that with "losetup --detach /dev/${name}" first`;
    }
  }
  return undefined;
}

/** Undefined where the loop device has none, or not any more. */
function backingFileOf(name: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

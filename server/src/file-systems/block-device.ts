import { constants } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { FileSystemError } from './errors.ts';

/** The unit of /sys/dev/block/.../size, whatever the sector size of the device is. */
const SYSFS_SECTOR = 512;

/** Size in bytes of a block device, or of a regular file that stands for one. */
export async function sizeOfDevice(path: string): Promise<number> {
  const stats = await stat(path);
  if (!stats.isBlockDevice()) return stats.size;
  const text = await readFile(`${await sysfsFolderOf(path)}/size`, 'utf8');
  return Number(text) * SYSFS_SECTOR;
}

/** The logical sector size of a block device; 512 for a regular file that stands for one. */
export async function sectorSizeOfDevice(path: string): Promise<number> {
  const stats = await stat(path);
  if (!stats.isBlockDevice()) return SYSFS_SECTOR;
  const folder = await sysfsFolderOf(path);
  // A partition of the kernel has the queue of its disk.
  const read = (queue: string): Promise<string> => readFile(`${folder}/${queue}/logical_block_size`, 'utf8');
  return Number(await read('queue').catch(() => read('../queue')));
}

/** Where the kernel tells about a block device. */
export async function sysfsFolderOf(path: string): Promise<string> {
  const { rdev } = await stat(path);
  return `/sys/dev/block/${major(rdev)}:${minor(rdev)}`;
}

/** `exclusive` also writes, and refuses a device that is mounted. */
export type Access = 'read' | 'write' | 'exclusive';

const FLAGS: Readonly<Record<Access, number>> = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  exclusive: constants.O_RDWR | constants.O_EXCL,
};

/** Opens a device for the time of one piece of work; what was written is on stable storage when it is done. */
export async function withDevice<T>(
  path: string,
  access: Access,
  work: (device: FileHandle) => Promise<T>,
): Promise<T> {
  const device = await open(path, FLAGS[access]).catch((error: unknown) => {
    throw openingFailed(path, error);
  });
  try {
    const result = await work(device);
    if (access !== 'read') await device.sync();
    return result;
  } finally {
    await device.close();
  }
}

/**
 * Reads exactly `length` bytes at `offset`.
 *
 * @throws {FileSystemError} `READ_FAILED` when the device ends before or has an error there
 */
export async function readAt(device: FileHandle, offset: number, length: number): Promise<Buffer> {
  const target = Buffer.allocUnsafe(length);
  await fill(device, offset, target);
  return target;
}

/** Fills `target` with the bytes at `offset`. Throws like `readAt`. */
export async function fill(device: FileHandle, offset: number, target: Uint8Array): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await device
      .read(target, done, target.length - done, offset + done)
      .catch((error: unknown) => {
        const message = `cannot read ${target.length} bytes at byte ${offset} of the device`;
        throw new FileSystemError('READ_FAILED', `${message}: ${String(error)}`, { cause: error });
      });
    if (bytesRead === 0) {
      throw new FileSystemError(
        'READ_FAILED',
        `the device ends at byte ${offset + done}, before its content`,
      );
    }
    done += bytesRead;
  }
}

/** Writes all of `data` at `offset`. */
export async function writeAt(device: FileHandle, offset: number, data: Uint8Array): Promise<void> {
  let done = 0;
  while (done < data.length) {
    const { bytesWritten } = await device.write(data, done, data.length - done, offset + done);
    done += bytesWritten;
  }
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Whether all bytes are zero. */
export function isZero(data: Uint8Array): boolean {
  for (let start = 0; start < data.length; start += ZEROS.length) {
    const piece = data.subarray(start, start + ZEROS.length);
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0) return false;
  }
  return true;
}

/** Writes `data` except blocks that are all zeros: the destination reads as zeros and keeps its holes. */
export async function writeNonZero(
  device: FileHandle,
  offset: number,
  data: Uint8Array,
  blockSize = 4096,
): Promise<void> {
  let start = 0;
  while (start < data.length) {
    const dataStart = skipWhile(data, start, blockSize, true);
    const dataEnd = skipWhile(data, dataStart, blockSize, false);
    if (dataEnd > dataStart) await writeAt(device, offset + dataStart, data.subarray(dataStart, dataEnd));
    start = dataEnd;
  }
}

/** The end of the run of blocks from `start` that are all zeros, or of those that are not. */
function skipWhile(data: Uint8Array, start: number, blockSize: number, zero: boolean): number {
  let end = start;
  while (end < data.length && isZero(data.subarray(end, end + blockSize)) === zero) end += blockSize;
  return Math.min(end, data.length);
}

/** Layout of dev_t in user space: glibc's sysdeps/unix/sysv/linux/makedev. */
function major(device: number): number {
  return Number(((BigInt(device) >> 32n) & 0xfffff000n) | ((BigInt(device) >> 8n) & 0xfffn));
}

function minor(device: number): number {
  return Number(((BigInt(device) >> 12n) & 0xffffff00n) | (BigInt(device) & 0xffn));
}

function openingFailed(path: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return error;
  return new FileSystemError('DEVICE_BUSY', `${path} is still mounted or used by another program`);
}

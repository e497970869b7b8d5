import { type Libc, libc, systemError } from './libc.ts';

// <linux/falloc.h>
const FALLOC_FL_KEEP_SIZE = 0x1;
const FALLOC_FL_PUNCH_HOLE = 0x2;
const FALLOC_FL_ZERO_RANGE = 0x10;

/** <linux/fs.h>: _IO(0x12, 119), with two 64-bit numbers, start and length in bytes. */
const BLKDISCARD = 0x1277n;

/**
 * What can be done to a range of a file or block device without moving its bytes.
 *
 * - `punch`: it reads as zeros, its space may be given back; for a block device only if the device does it itself
 * - `zero`: it reads as zeros and keeps its space; if a block device cannot do it, the kernel writes zeros
 * - `discard`: of a block device only: its content is given up
 */
export type RangeCall = 'punch' | 'zero' | 'discard';

/**
 * Waits for the disk, some seconds if need be.
 *
 * @throws {NodeJS.ErrnoException} with code ENOTSUP where file system or device cannot do it, and where there are
 *   no native calls
 */
export function callForRange(call: RangeCall, fd: number, offset: number, length: number): void {
  if (libc === undefined) throw Object.assign(new Error('no native calls'), { code: 'ENOTSUP' });
  if (resultOf(libc, call, fd, BigInt(offset), BigInt(length)) !== 0) throw systemError(libc, call);
}

function resultOf(calls: Libc, call: RangeCall, fd: number, offset: bigint, length: bigint): number {
  switch (call) {
    case 'punch':
      return calls.fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
    case 'zero':
      return calls.fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
    case 'discard':
      return calls.ioctl(fd, BLKDISCARD, new BigUint64Array([offset, length]));
  }
}

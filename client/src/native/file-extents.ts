import type { Extent } from '@diskferry/protocol/disk';
import { type Libc, libc, systemError } from './libc.ts';

// <unistd.h>
const SEEK_END = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** So that a file with millions of holes does not keep the program from everything else. */
const MAX_EXTENTS = 1024;

/** What is in a range of a file, in the order of the file: as much of it as one answer holds, at least one extent. */
export type FileExtents = (offset: number, length: number) => readonly Extent[];

/**
 * What asks a plain file for its holes. They begin and end at sectors: a sector that is a hole in part is data.
 * Undefined where there are no native calls.
 */
export function fileExtents(fd: number, sectorBytes: number): FileExtents | undefined {
  if (libc === undefined) return undefined;
  const calls = libc;
  return (offset, length) => {
    const end = offset + length;
    refuseShortened(calls, fd, end);
    const extents: Extent[] = [];
    for (let at = offset; at < end && extents.length < MAX_EXTENTS; ) {
      const data = seek(calls, fd, at, SEEK_DATA) ?? end;
      const dataSector = data - (data % sectorBytes);
      const hole = dataSector > at;
      const next = hole ? dataSector : roundUp(seek(calls, fd, data, SEEK_HOLE) ?? end, sectorBytes);
      const extentEnd = Math.min(next, end);
      extents.push({ length: extentEnd - at, hole, zero: hole });
      at = extentEnd;
    }
    return extents;
  };
}

/** Behind the end of a file everything looks like a hole, which reads as zeros. */
function refuseShortened(calls: Libc, fd: number, end: number): void {
  const size = seek(calls, fd, 0, SEEK_END) ?? 0;
  if (size >= end) return;
  throw Object.assign(new Error(`the file has ${size} bytes now`), { code: 'EIO' });
}

/** Undefined: there is no data behind `offset`. */
function seek(calls: Libc, fd: number, offset: number, whence: number): number | undefined {
  const found = Number(calls.lseek(fd, BigInt(offset), whence));
  if (found >= 0) return found;
  if (calls.errorName() === 'ENXIO') return undefined;
  throw systemError(calls, 'lseek');
}

function roundUp(offset: number, unit: number): number {
  return Math.ceil(offset / unit) * unit;
}

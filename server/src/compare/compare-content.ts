import { type FileHandle, open } from 'node:fs/promises';
import type { DataRange } from './data-map.ts';

const PIECE_BYTES = 1024 * 1024;

/** The place of the first byte that differs, or undefined when all the ranges are equal. */
export async function findFirstDifference(
  left: Buffer,
  right: Buffer,
  ranges: readonly DataRange[],
): Promise<number | undefined> {
  const leftFile = await open(left, 'r');
  try {
    const rightFile = await open(right, 'r');
    try {
      return await compareRanges(leftFile, rightFile, ranges);
    } finally {
      await rightFile.close();
    }
  } finally {
    await leftFile.close();
  }
}

async function compareRanges(
  left: FileHandle,
  right: FileHandle,
  ranges: readonly DataRange[],
): Promise<number | undefined> {
  // Most files are small: a whole piece for each would cost more than to read them.
  const longest = ranges.reduce((length, { start, end }) => Math.max(length, end - start), 0);
  const pieceBytes = Math.min(PIECE_BYTES, longest);
  const [leftPiece, rightPiece] = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)];
  for (const { start, end } of ranges) {
    for (let offset = start; offset < end; offset += pieceBytes) {
      const length = Math.min(pieceBytes, end - offset);
      const [a, b] = await Promise.all([
        readFully(left, leftPiece, offset, length),
        readFully(right, rightPiece, offset, length),
      ]);
      if (!a.equals(b)) return offset + firstDifference(a, b);
    }
  }
  return undefined;
}

async function readFully(file: FileHandle, target: Buffer, offset: number, length: number): Promise<Buffer> {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(target, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return target.subarray(0, done);
}

function firstDifference(a: Buffer, b: Buffer): number {
  const index = a.findIndex((byte, position) => byte !== b[position]);
  return index < 0 ? Math.min(a.length, b.length) : index;
}

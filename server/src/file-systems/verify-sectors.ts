import type { FileHandle } from 'node:fs/promises';
import type { Difference } from '../compare/difference.ts';
import { collectDifferences } from '../compare/difference.ts';
import { fill, sizeOfDevice, withDevice } from './block-device.ts';
import type { CopyContext } from './file-system.ts';
import { countBytes, forgetCached } from './verify-files.ts';

const PIECE_BYTES = 1024 * 1024;

/** A range of bytes that differs, its end excluded. */
interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Compares a partition that was copied as sectors; the destination may be larger. Names the ranges that differ. */
export async function verifySectors(
  source: string,
  destination: string,
  context: CopyContext,
): Promise<Difference[]> {
  await forgetCached(destination, context.signal);
  const size = await sizeOfDevice(source);
  return withDevice(source, 'read', (left) =>
    withDevice(destination, 'read', (right) =>
      collectDifferences(described(joined(differingPieces(left, right, size, context)))),
    ),
  );
}

async function* differingPieces(
  left: FileHandle,
  right: FileHandle,
  size: number,
  context: CopyContext,
): AsyncGenerator<Extent> {
  const report = countBytes(context);
  const pieces = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)] as const;
  for (let start = 0; start < size; start += PIECE_BYTES) {
    context.signal?.throwIfAborted();
    const end = Math.min(start + PIECE_BYTES, size);
    const [a, b] = [pieces[0].subarray(0, end - start), pieces[1].subarray(0, end - start)];
    await Promise.all([fill(left, start, a), fill(right, start, b)]);
    report(a.length);
    if (!a.equals(b)) yield differingPart(a, b, start);
  }
}

function differingPart(a: Buffer, b: Buffer, offset: number): Extent {
  const first = a.findIndex((byte, index) => byte !== b[index]);
  const last = a.findLastIndex((byte, index) => byte !== b[index]);
  return { start: offset + first, end: offset + last + 1 };
}

/** Joins what differs in neighbouring pieces. */
async function* joined(extents: AsyncIterable<Extent>): AsyncGenerator<Extent> {
  let current: Extent | undefined;
  for await (const extent of extents) {
    if (current !== undefined && extent.start - current.end < PIECE_BYTES) {
      current = { start: current.start, end: extent.end };
      continue;
    }
    if (current !== undefined) yield current;
    current = extent;
  }
  if (current !== undefined) yield current;
}

async function* described(extents: AsyncIterable<Extent>): AsyncGenerator<Difference> {
  for await (const { start, end } of extents) {
    yield { path: '', property: `bytes ${start} to ${end - 1}`, left: 'as they are', right: 'others' };
  }
}

import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, run } from '@diskferry/system/run';
import { fillRange } from './junk.ts';
import type { BuildOptions } from './build-options.ts';

const MIB = 1024 * 1024;
const PIECE_BYTES = 16 * MIB;
/** How far from the end of the file system the file may end: its own structures may be there. */
const TOLERANCE_BYTES = 48 * MIB;
/** In the listing of `filefrag -b512 -v`: the last physical block of an extent. */
const EXTENT = /^\s*\d+:\s+\d+\.\.\s*\d+:\s+\d+\.\.\s*(\d+):/gm;
const UNIT = 512;

/**
 * Writes a file of noise to the end of a mounted file system, where no smaller disk has anything: takes all the free
 * space in pieces and keeps the last one. What is given free again was never written.
 *
 * @param sizeBytes of the file system
 * @returns where the file ends, in bytes from the start of the file system
 */
export async function writeFileAtEnd(
  root: string,
  { path, sizeBytes }: { path: string; sizeBytes: number },
  options: Pick<BuildOptions, 'signal'>,
): Promise<number> {
  const folder = join(root, '.pieces');
  await mkdir(folder);
  // What was written and has no place yet would get the last ones.
  await run(['sync', '-f', root]);
  const pieces = await takeFreeSpace(folder);
  await run(['sync', '-f', root]);
  const last = (await Promise.all(pieces.map(lastByteOf))).sort((a, b) => b.end - a.end)[0];
  if (last === undefined || last.end < sizeBytes - TOLERANCE_BYTES) {
    throw new Error(`no file of ${root} lies at its end; the last one ends at ${last?.end} of ${sizeBytes}`);
  }
  await rename(last.path, join(root, path));
  await rm(folder, { recursive: true });
  await fillRange(join(root, path), { start: 0, size: PIECE_BYTES }, options);
  return last.end;
}

async function takeFreeSpace(folder: string): Promise<string[]> {
  const pieces: string[] = [];
  for (;;) {
    const path = join(folder, String(pieces.length));
    try {
      await run(['fallocate', '-l', String(PIECE_BYTES), path]);
    } catch (error) {
      if (error instanceof CommandError && /No space left/.test(error.message)) return pieces;
      throw error;
    }
    pieces.push(path);
  }
}

async function lastByteOf(path: string): Promise<{ path: string; end: number }> {
  const { stdout } = await run(['filefrag', '-v', `-b${UNIT}`, path]);
  const ends = [...stdout.matchAll(EXTENT)].map(([, block]) => (Number(block) + 1) * UNIT);
  return { path, end: Math.max(0, ...ends) };
}

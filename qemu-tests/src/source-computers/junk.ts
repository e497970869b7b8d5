import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { BuildOptions } from './build-options.ts';

/** Any key does: the junk must only be as hard to compress as a used disk's, and the same in each build. */
const KEY = '0123456789abcdef0123456789abcdef';

/** Noise without end, from the fastest cipher of the processor. */
function noise(seed: number): string {
  const iv = seed.toString(16).padStart(32, '0');
  return `openssl enc -aes-128-ctr -nosalt -K ${KEY} -iv ${iv} -in /dev/zero 2>/dev/null`;
}

/** Fills the free space of a mounted file system with noise and deletes it, as years of use would. */
export async function fillFreeSpace(folder: string, { signal }: Pick<BuildOptions, 'signal'>): Promise<void> {
  const junk = join(folder, 'junk');
  // The cipher ends with "no space left", which is the aim.
  await run(['sh', '-c', `${noise(1)} >"$1"; sync -f "$1"`, 'sh', junk], { signal });
  await rm(junk);
}

/** Writes noise over a range of a disk file. Offset and length are bytes, multiples of 1 MiB. */
export async function fillRange(
  path: string,
  { start, size }: { readonly start: number; readonly size: number },
  { signal }: Pick<BuildOptions, 'signal'>,
): Promise<void> {
  const script = `${noise(start)} | dd of="$1" bs=1M iflag=fullblock conv=notrunc count=${size / MIB} seek=${start / MIB}`;
  await run(['sh', '-c', script, 'sh', path], { signal });
}

const MIB = 1024 * 1024;

import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { backingFileOf } from '@diskferry/system/resource';
import { run } from '@diskferry/system/run';
import type { HeldResources } from '../held-resources.ts';

/**
 * How far the kernel reads ahead of a program that reads a file in order, in KiB. What hides the network's waits is the
 * read-ahead of the adapter. More here makes random reads slower: the kernel takes neighbours that it finds in memory for
 * reading in order, and then fetches as much again.
 */
const READ_AHEAD_KIB = 256;

export interface LoopOptions {
  /** The logical sector size of the loop device, in bytes. */
  readonly sectorSize: number;
  /** The part of the backing file, in bytes; all of it by default. */
  readonly part?: { readonly start: number; readonly size: number };
}

/**
 * Makes a loop device on a file or block device, with direct I/O: what is written reaches the backing file at once,
 * and nothing is cached twice.
 *
 * @returns the path of the device
 * @throws {CommandError} when losetup fails
 */
export async function createLoopDevice(
  held: HeldResources,
  backing: string,
  { sectorSize, part }: LoopOptions,
): Promise<string> {
  const within = backingFileOf(backing);
  held.hold({ kind: 'loop', backing, ...(within === undefined ? {} : { within }) });
  const range = part === undefined ? [] : ['--offset', String(part.start), '--sizelimit', String(part.size)];
  const { stdout } = await run([
    'losetup',
    '--find',
    '--show',
    '--direct-io=on',
    '--sector-size',
    String(sectorSize),
    ...range,
    backing,
  ]);
  const device = stdout.trim();
  await setReadAhead(device);
  return device;
}

/** Sets how far the kernel reads ahead on a block device. */
export async function setReadAhead(device: string): Promise<void> {
  await writeFile(`/sys/block/${basename(device)}/queue/read_ahead_kb`, String(READ_AHEAD_KIB));
}

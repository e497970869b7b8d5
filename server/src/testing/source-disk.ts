import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from '@diskferry/system/run';
import type { Workbench } from '../file-systems/test-devices.ts';

const MIB = 1024 * 1024;
/** In front of the partition, and behind it for the backup of the GPT. */
const EDGE = MIB;

export interface SourceDiskOptions {
  readonly name?: string;
  readonly size?: number;
  /** Of the one file that it has by default: a larger one where a test breaks in while it is copied. */
  readonly contentBytes?: number;
  /** Fills the root folder of the file system. */
  readonly fill?: (folder: string) => Promise<void>;
}

/** Makes a sparse disk file with a GPT and one ext4 partition, by default with one file of 24 MiB. */
export async function makeSourceDisk(
  bench: Workbench,
  {
    name = 'source.raw',
    size = 128 * MIB,
    contentBytes = 24 * MIB,
    fill = (folder) => writeFile(join(folder, 'content'), randomBytes(contentBytes)),
  }: SourceDiskOptions = {},
): Promise<string> {
  const disk = bench.file(name, size);
  const sectors = (size - 2 * EDGE) / 512;
  // So sfdisk does not sync all file systems of this machine, one of which may take minutes.
  await run(['sfdisk', '--quiet', '--no-tell-kernel', disk], {
    input: `label: gpt\nstart=${EDGE / 512}, size=${sectors}, type=L, name="root"\n`,
  });
  const device = await attachRoot(bench, disk, size);
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'small', '-E', 'lazy_journal_init=1', device]);
  const folder = await bench.mount(device, 'noinit_itable');
  await fill(folder);
  await bench.unmount(folder);
  await bench.session.release({ kind: 'loop', backing: disk });
  return disk;
}

/** A block device of the partition of such a disk. */
export async function attachRoot({ session }: Workbench, disk: string, size: number): Promise<string> {
  session.hold({ kind: 'loop', backing: disk });
  const part = ['--offset', String(EDGE), '--sizelimit', String(size - 2 * EDGE)];
  const { stdout } = await run(['losetup', '--find', '--show', ...part, disk]);
  return stdout.trim();
}

/** The SHA-256 of a file, in hex. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

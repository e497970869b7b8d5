import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@diskferry/system/run';
import type { Session } from '@diskferry/system/session';

const MIB = 1024 * 1024;
/** In front of the partition, and behind it for the backup of the GPT. */
const EDGE = MIB;
const SECTOR = 512;
/** Files are pieces of these bytes, at places that differ: nothing can be compressed or found twice in order. */
const CONTENTS = randomBytes(8 * MIB);
const SMALL_SIZES = [0, 100, 700, 1500, 3000, 4000, 6000, 9000];
const FILES_A_FOLDER = 100;

/** A disk file with a GPT and one ext4. */
export interface SourceDisk {
  readonly path: string;
  readonly bytes: number;
}

export interface SourceDiskWishes {
  readonly name: string;
  readonly bytes: number;
  readonly fill: (folder: string) => void;
  /** More arguments of mke2fs. */
  readonly format?: readonly string[];
}

/** Makes a sparse disk file that is deleted with the session. */
export async function makeSourceDisk(session: Session, wishes: SourceDiskWishes): Promise<SourceDisk> {
  const { name, bytes, fill, format = [] } = wishes;
  const path = join(process.env['TMPDIR'] ?? '/var/tmp', `${session.id}-${name}.raw`);
  session.hold({ kind: 'file', path });
  writeFileSync(path, '');
  truncateSync(path, bytes);
  const sectors = (bytes - 2 * EDGE) / SECTOR;
  await run(['sfdisk', '--quiet', '--no-tell-kernel', path], {
    input: `label: gpt\nstart=${EDGE / SECTOR}, size=${sectors}, type=L\n`,
  });
  const device = await attachFileSystem(session, { path, bytes });
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-E', 'lazy_journal_init=1', ...format, device]);
  await withMounted(session, device, 'noinit_itable', async (folder) => fill(folder));
  await session.release({ kind: 'loop', backing: path });
  return { path, bytes };
}

/** A block device of the file system of such a disk, without our parts. */
export async function attachFileSystem(session: Session, { path, bytes }: SourceDisk): Promise<string> {
  session.hold({ kind: 'loop', backing: path });
  const part = ['--offset', String(EDGE), '--sizelimit', String(bytes - 2 * EDGE)];
  const { stdout } = await run(['losetup', '--find', '--show', ...part, path]);
  return stdout.trim();
}

/** Mounts a device for the time of one piece of work. */
export async function withMounted<T>(
  session: Session,
  device: string,
  options: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(session.folder, 'bench-'));
  session.hold({ kind: 'mount', path });
  await run(['mount', '-o', options, device, path]);
  try {
    return await work(path);
  } finally {
    await session.release({ kind: 'mount', path });
  }
}

/** Many small files, 100 in a folder, 3 KB on average. */
export function writeSmallFiles(folder: string, count: number): void {
  let parent = folder;
  for (let number = 0; number < count; number++) {
    if (number % FILES_A_FOLDER === 0) {
      const index = number / FILES_A_FOLDER;
      parent = join(folder, `group ${index % FILES_A_FOLDER}`, `folder ${index}`);
      mkdirSync(parent, { recursive: true });
    }
    const size = SMALL_SIZES[(number * 7) % SMALL_SIZES.length] as number;
    writeFileSync(join(parent, `file ${number}`), pieceOf(size, number));
  }
}

/** Files as a system has them, from 4 KB to 40 MB, some of which are deleted again: their blocks stay full of junk. */
export function writeMixedFiles(folder: string, bytes: number, junkBytes = 0): void {
  const sizes = [4_000, 12_000, 40_000, 150_000, 1_000_000, 40_000_000];
  const write = (parent: string, total: number): void => {
    for (let number = 0, done = 0; done < total; number++) {
      const sub = join(parent, String(number % 40));
      mkdirSync(sub, { recursive: true });
      const size = Math.min(total - done, sizes[number % 97 === 96 ? 5 : number % 5] as number);
      for (let at = 0; at < size; at += 4 * MIB) {
        writeFileSync(join(sub, `file ${number}`), pieceOf(Math.min(4 * MIB, size - at), number), {
          flag: 'a',
        });
      }
      done += size;
    }
  };
  const junk = join(folder, 'junk');
  if (junkBytes > 0) write(junk, junkBytes / 2);
  write(join(folder, 'files'), bytes);
  if (junkBytes > 0) write(join(junk, 'more'), junkBytes / 2);
  rmSync(junk, { recursive: true, force: true });
}

function pieceOf(size: number, number: number): Uint8Array {
  const start = (number * 4099) % (CONTENTS.length - Math.min(size, CONTENTS.length) + 1);
  return CONTENTS.subarray(start, start + size);
}
